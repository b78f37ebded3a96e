"""Room: runs and their records (chapter 16; the end of every chapter)."""

from segtutor.reproduce.ledger import append, provenance, read, write_results
from segtutor.reproduce.profiles import PROFILES, choose

__all__ = ["PROFILES", "append", "choose", "provenance", "read", "write_results"]
