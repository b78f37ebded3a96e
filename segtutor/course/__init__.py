"""Room: exercises that answer (every chapter) and, later, grading."""
