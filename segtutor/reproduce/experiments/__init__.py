"""The book's one-factor experiments: what is compared, run from the command line into the ledger.

One file a chapter; base.py runs and records them, paired.py says what they show, bench.py holds the
frozen tokens that several of them share.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from segtutor.reproduce.experiments.base import Experiment, ledger_of, recorded, run_all
from segtutor.reproduce.experiments.paired import Comparison, compare, markdown

__all__ = ["Comparison", "Experiment", "compare", "find", "known", "ledger_of", "markdown",
           "recorded", "run_all"]  # fmt: skip


def known() -> list[str]:
    """Numbers of the chapters that have an experiment, such as ["06", "07"]."""
    return sorted(path.stem[2:4] for path in Path(__file__).parent.glob("ch[0-9][0-9].py"))


def find(chapter: str) -> list[Experiment]:
    """The experiments of a chapter ("06"). Raises ValueError with the known chapters."""
    if chapter not in known():
        raise ValueError(f"chapter {chapter!r} has no experiment; there are {', '.join(known())}")
    return list(import_module(f"segtutor.reproduce.experiments.ch{chapter}").EXPERIMENTS)
