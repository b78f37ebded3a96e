"""The book's one-factor experiments: what is compared, run from the command line into the ledger.

One file a chapter, and failures.py for the failure gallery; base.py runs and records them,
paired.py says what they show, bench.py holds the frozen tokens that several of them share.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from segtutor.reproduce.experiments.base import Experiment, ledger_of, recorded, run_all
from segtutor.reproduce.experiments.paired import Comparison, compare, markdown

__all__ = ["Comparison", "Experiment", "compare", "find", "known", "ledger_of", "markdown",
           "recorded", "run_all"]  # fmt: skip


PAGES = ("failures",)  # pages without a number that have experiments of their own


def known() -> list[str]:
    """Chapters and pages that have an experiment, such as ["06", "07", "failures"]."""
    chapters = (path.stem[2:4] for path in Path(__file__).parent.glob("ch[0-9][0-9].py"))
    return [*sorted(chapters), *PAGES]


def find(chapter: str) -> list[Experiment]:
    """The experiments of a chapter ("06") or page ("failures"). Raises ValueError with the known
    ones.
    """
    if chapter not in known():
        raise ValueError(f"chapter {chapter!r} has no experiment; there are {', '.join(known())}")
    file = chapter if chapter in PAGES else f"ch{chapter}"
    return list(import_module(f"segtutor.reproduce.experiments.{file}").EXPERIMENTS)
