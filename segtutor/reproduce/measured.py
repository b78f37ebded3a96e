"""What the miniatures of the papers' tables gave, out of the committed ledger.

Taught in   : chapter 16, Ablations, baselines and tables
Source      : results/mini.jsonl, written by `segtutor reproduce TABLE --profile mini --ledger
              results/mini.jsonl`; nothing here is typed
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from segtutor.reproduce.expand import essence, expand
from segtutor.reproduce.experiments.paired import interval
from segtutor.reproduce.ledger import read
from segtutor.reproduce.notebooks import ROOT
from segtutor.reproduce.tables import find_table
from segtutor.training.runs import Run

MINI = ROOT / "results" / "mini.jsonl"


def mini_records(table: str, ledger: str | Path = MINI) -> dict[str, list[dict]]:
    """{training: its records by seed} for all trainings of a table that have a miniature with
    today's settings; an empty list where none was run. Trainings that are the same as a miniature
    share records; of several records of one seed the newest counts.
    """
    records = _by_essence(Path(ledger), _stamp(Path(ledger)))
    return {name: records.get(key, []) for name, key in _keys(table).items()}


def score(record: dict, metric: str = "miou") -> float | None:
    """A number of a record, a fraction of 1: "miou", "pixel_accuracy", "small", "medium", "large"
    (mIoU of classes by size) or "multi" (mIoU at several scales); None if it is not there.
    """
    if metric == "multi":
        return record.get("multi", {}).get("miou")
    if metric in ("small", "medium", "large"):
        return (record.get("by_size") or {}).get(metric)
    return record.get(metric)


def spread(records: list[dict], metric: str = "miou") -> tuple[float, float, float] | None:
    """Mean over seeds and its 95 % interval, (mean, low, high), fractions of 1; None for none."""
    values = [value for r in records if (value := score(r, metric)) is not None]
    return interval(values) if values else None


@cache
def _keys(table: str) -> dict[str, str]:
    """{training: essence of its miniature with seed 0}."""
    keys: dict[str, str] = {}
    if find_table(table)[0].kind == "configuration":
        return keys
    found = expand(table, profile="mini")
    for job in found.jobs:
        keys[job.recipe] = essence(_seedless(job.run))
    for name, why in found.left_out:  # "here the same training as ..."
        same = why.rpartition(" ")[2]
        if why.startswith("here the same") and same in keys:
            keys[name] = keys[same]
    return keys


def _seedless(run: Run) -> Run:
    return replace(run, recipe=replace(run.recipe, seed=0))


def _stamp(ledger: Path) -> tuple[int, int]:
    """Changes when the ledger does."""
    if not ledger.exists():
        return (0, 0)
    seen = ledger.stat()
    return seen.st_mtime_ns, seen.st_size


@cache
def _by_essence(ledger: Path, stamp: tuple[int, int]) -> dict[str, list[dict]]:
    found: dict[str, dict[int, dict]] = {}
    for record in read(ledger):
        if "config" not in record or "evaluation" in record:
            continue
        config = json.loads(json.dumps(record["config"]))
        seed, config["recipe"]["seed"] = config["recipe"]["seed"], 0
        mine = found.setdefault(essence(config), {})
        if "multi" in record or "multi" not in mine.get(seed, {}):
            mine[seed] = record
    return {key: [seeds[s] for s in sorted(seeds)] for key, seeds in found.items()}
