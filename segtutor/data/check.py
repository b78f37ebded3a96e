"""Is a data set on disk whole? Every file is opened; every problem is listed, not only the first.

Taught in   : chapter 11

segtutor data check NAME|FOLDER
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from segtutor.data.dataset import SegmentationData
from segtutor.data.prepare import half_unpacked
from segtutor.data.readers import READERS, is_lenient, reader, splits_of

__all__ = ["READERS", "Checked", "Problem", "check", "reader", "report"]


class Problem(NamedTuple):
    """One line of the table."""

    split: str
    what: str


class Checked(NamedTuple):
    """counts: {split: readable samples}. problems: all of them, in the order of the splits."""

    counts: dict[str, int]
    problems: list[Problem]


def check(
    name: str,
    data_root: str | Path | None = None,
    *,
    splits: tuple[str, ...] = (),
    subset: bool = False,
    workers: int = 4,
) -> Checked:
    """Open all files of a data set, or of a folder of your own.

    splits: which (default: all that have labels). subset: another number of samples than the
    published one is meant and no problem. workers: files decoded at a time.
    """
    open_split, lenient = reader(name), is_lenient(name)
    counts, problems = {}, []
    for split in splits or splits_of(name, data_root):
        try:
            data = open_split(split, data_root, **({"strict": False} if lenient else {}))
        except OSError as error:
            problems.append(Problem(split, str(error)))
            continue
        found = [Problem(split, what) for what in getattr(data, "problems", {}).values()]
        with ThreadPoolExecutor(workers) as pool:
            wrong = [what for what in pool.map(partial(_wrong, data), range(len(data))) if what]
        counts[split] = len(data) - len(wrong)
        found += [Problem(split, what) for what in wrong]
        published = getattr(data, "published", ())
        if published and not subset and len(data) not in published:
            wanted = " or ".join(str(n) for n in published)
            found.append(
                Problem(
                    split,
                    f"{len(data)} samples, the published split has {wanted}: unpacked only in "
                    "part? (--subset, if these are meant to be all)",
                )
            )
        problems += found
    problems += [Problem("all", what) for what in half_unpacked(name, data_root)]
    return Checked(counts, problems)


def _wrong(data: SegmentationData, index: int) -> str | None:
    try:
        data[index]
    except (ValueError, OSError) as error:
        return str(error)
    return None


def report(name: str, checked: Checked) -> str:
    """The table as text."""
    lines = [f"{name} {split}: {n} samples can be read" for split, n in checked.counts.items()]
    if not checked.problems:
        return "\n".join([*lines, "no problems"])
    lines.append(f"{len(checked.problems)} problems")
    width = max(len(p.split) for p in checked.problems)
    return "\n".join([*lines, *(f"  {p.split:{width}}  {p.what}" for p in checked.problems)])
