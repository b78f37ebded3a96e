"""Room: the sub-commands of `segtutor`, one file a topic. They only call the library."""
