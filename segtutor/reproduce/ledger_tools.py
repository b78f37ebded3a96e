"""Ledgers looked at: as a table, checked for damage and doubt, and two of them side by side.

Taught in   : chapter 16 (is this number what it says it is?)
Source      : ours

`flat` makes one level of a record, a row of a table: pandas.DataFrame(map(flat, read(path)))
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from segtutor.reproduce.appending import is_json, opened, set_aside
from segtutor.reproduce.ledger import read, record_of

# What is the same run in two ledgers, what else was chosen for it, where it was made. All other
# numbers are what came out.
RUN = ("experiment", "notebook", "run", "evaluation", "variant", "setting", "model", "planner",
       "speeds", "scale", "seed")  # fmt: skip
CHOSEN = ("data", "profile", "settings", "config", "overrides", "steps", "images", "how", "size",
          "batch", "crop", "rounds", "test_limit", "test_pictures", "data_fingerprint")  # fmt: skip
PLACE = ("schema", "versions", "machine", "device", "threads", "machine_shared", "commit", "dirty")
LEFT_OUT = ("time", "log", "log_sha256", "results")
COUNTED = "config.recipe.class_weights"  # counted in the labels, not chosen; the seed has a place
SHOWN = ("time", "what", "variant", "seed", "steps", "miou", "pixel_accuracy", "minutes", "commit")


def flat(record: dict, before: str = "") -> dict[str, Any]:
    """{"versions": {"torch": "2.6"}, "seed": 0} -> {"versions.torch": "2.6", "seed": 0}. Lists stay
    what they are.
    """
    row = {}
    for key, value in record.items():
        if isinstance(value, dict):
            row |= flat(value, f"{before}{key}.")
        else:
            row[before + key] = value
    return row


def name_of(record: dict) -> tuple[tuple[str, Any], ...]:
    """What makes two lines the same run: which experiment or training, which variant, seed."""
    return tuple((key, str(record[key])) for key in RUN if key in record)


def chosen(record: dict) -> dict[str, Any]:
    """The settings of a run, flat."""
    row = flat({key: record[key] for key in CHOSEN if key in record})
    return {key: value for key, value in row.items() if key != COUNTED}


def metrics(record: dict) -> dict[str, float]:
    """What came out of a run: all numbers that are neither its name, nor chosen, nor its place."""
    known = {*RUN, *CHOSEN, *PLACE, *LEFT_OUT}
    row = flat({key: value for key, value in record.items() if key not in known})
    return {k: v for k, v in row.items() if isinstance(v, (int, float)) and type(v) is not bool}


# --- show


def table(records: Sequence[dict], columns: Sequence[str] = ()) -> str:
    """Records as text, a line each. columns: keys of `flat`, by default the usual ones that any
    record has. Raises ValueError for one that no record has.
    """
    rows = [_row(record) for record in records]
    there = dict.fromkeys(key for row in rows for key in row)
    unknown = [column for column in columns if column not in there]
    if unknown and rows:
        raise ValueError(f"no record has {unknown[0]!r}; there are {', '.join(there)}")
    columns = columns or [column for column in SHOWN if column in there]
    lines = [list(columns), *([_text(row.get(c)) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([*text, f"{len(rows)} records"])


def _row(record: dict) -> dict[str, Any]:
    """Flat, with what a reader looks for first: what it was, when, at which commit."""
    what = (str(record[key]) for key in RUN[:4] if key in record)
    mark = " (dirty)" if record.get("dirty") else ""
    usual = {"what": " ".join(what) or str(record.get("model", record.get("setting", "-")))}
    usual["variant"] = record.get("variant", record.get("setting", record.get("scale")))
    usual["time"] = str(record.get("time", "-"))[:16]
    usual["commit"] = f"{record.get('commit') or 'unknown'}{mark}"
    return flat(record) | {key: value for key, value in usual.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "-" if value is None else str(value)
    return text if len(text) <= 48 else text[:45] + "..."


def keep(records: Iterable[dict], filters: Iterable[str]) -> list[dict]:
    """The records that all filters let through. A filter: KEY=VALUE, KEY as in `flat` or a column
    of the table, VALUE with * for anything ("run=camvid-setr-*"). Raises ValueError for another
    form.
    """
    pairs = []
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ValueError(f"{text!r} is no filter: expected KEY=VALUE, such as seed=0")
        pairs.append((key, value))
    rows = ((record, flat(record) | _row(record)) for record in records)
    return [r for r, row in rows if all(fnmatch(str(row.get(k)), v) for k, v in pairs)]


# --- verify


@dataclass(frozen=True)
class Finding:
    """level: "error" (the line cannot be used) or "doubt" (it can, but ask). line: from 1."""

    level: str
    line: int
    text: str


def verify(path: str | Path) -> list[Finding]:
    """Everything that is wrong or doubtful in a ledger file; nothing in it is changed.

    Errors: a line that is no record, or of a schema that we do not read, or without time. Doubts: a
    run of code that was not committed, or of an unknown commit; one run written down twice.
    """
    found, seen = [], {}
    lines = Path(path).read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = record_of(line, f"line {number}")
        except ValueError as error:
            found.append(Finding("error", number, str(error)))
            continue
        if "time" not in record or "schema" not in record:
            found.append(Finding("error", number, "no time or no schema: not a ledger's line"))
        if record.get("commit") is None:
            found.append(Finding("doubt", number, "its commit is not known"))
        elif record.get("dirty"):
            text = f"made by code that was not committed, on top of {record['commit']}"
            found.append(Finding("doubt", number, text))
        key = repr((name_of(record), sorted(chosen(record).items())))
        if name_of(record) and key in seen:
            first, other = seen[key]
            same = {k: v for k, v in metrics(record).items() if not k.endswith("minutes")}
            equal = all(metrics(other).get(k) == v for k, v in same.items())
            text = f"the run of line {first} again, with {'equal' if equal else 'other'} results"
            found.append(Finding("doubt", number, text))
        seen.setdefault(key, (number, record))
    return found


def repair(path: str | Path) -> list[str]:
    """Put every line that is not JSON into NAME.torn and take it out of the ledger. Returns a
    sentence for each. The only thing here that changes a file.
    """
    path = Path(path)
    with opened(path, os.O_RDWR) as file:
        lines = path.read_bytes().splitlines()
        torn = [(number, line) for number, line in enumerate(lines, 1) if not is_json(line)]
        reports = [set_aside(path, number, line) for number, line in torn]
        if torn:
            whole = b"".join(line + b"\n" for line in lines if is_json(line))
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, whole)
            os.ftruncate(file, len(whole))
    return reports


# --- diff


@dataclass(frozen=True)
class Difference:
    """One run in two ledgers. settings, place: {key: (there, here)} where they differ. metrics:
    {key: (there, here)} of all that both have.
    """

    name: tuple[tuple[str, Any], ...]
    settings: dict[str, tuple[Any, Any]]
    place: dict[str, tuple[Any, Any]]
    metrics: dict[str, tuple[float, float]]


def diff(a: str | Path, b: str | Path) -> tuple[list[Difference], list[tuple], list[tuple]]:
    """(runs in both, names only in a, names only in b). Where a run stands several times in one
    file, its last line counts.
    """
    first, second = ({name_of(record): record for record in read(path)} for path in (a, b))
    both = [
        Difference(
            name,
            _unequal(chosen(first[name]), chosen(second[name])),
            _unequal(_place(first[name]), _place(second[name])),
            _pairs(metrics(first[name]), metrics(second[name])),
        )
        for name in first
        if name in second
    ]
    return both, [n for n in first if n not in second], [n for n in second if n not in first]


def diff_text(a: str | Path, b: str | Path) -> str:
    """`diff` in words: settings that differ, then how far each metric moved."""
    both, only_a, only_b = diff(a, b)
    lines = []
    for d in both:
        lines.append(_called(d.name))
        for title, pairs in (("setting", d.settings), ("made with", d.place)):
            lines += [f"  {title}: {k}: {_text(x)} -> {_text(y)}" for k, (x, y) in pairs.items()]
        moved = {key: pair for key, pair in d.metrics.items() if pair[0] != pair[1]}
        lines += [f"  {k}: {x:.6g} -> {y:.6g} ({y - x:+.3g})" for k, (x, y) in moved.items()]
        equal = len(d.metrics) - len(moved)
        lines.append(f"  {equal} of {len(d.metrics)} results are equal to the last digit")
    for path, names in ((a, only_a), (b, only_b)):
        lines += [f"only in {path}: {_called(name)}" for name in names]
    return "\n".join(
        [*lines, f"{len(both)} runs stand in both, {len(only_a)} and {len(only_b)} in one"]
    )


def _called(name: tuple) -> str:
    return ", ".join(v if k in RUN[:4] else f"{k} {v}" for k, v in name) or "a record without name"


def _place(record: dict) -> dict[str, Any]:
    return flat({key: record[key] for key in PLACE if key in record})


def _unequal(a: dict, b: dict) -> dict[str, tuple[Any, Any]]:
    return {k: (a.get(k), b.get(k)) for k in dict.fromkeys([*a, *b]) if a.get(k) != b.get(k)}


def _pairs(a: dict, b: dict) -> dict[str, tuple]:
    return {key: (a[key], b[key]) for key in a if key in b}
