"""Room: sub-commands of `segtutor` that are too long for cli.py, one file each."""
