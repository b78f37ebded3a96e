"""Miniatures and verdicts that were never run, for tests of the pages that show them."""

from __future__ import annotations

from types import SimpleNamespace

from segtutor.reproduce.tables import TABLES


def records_of(table: str, seeds: int = 5) -> dict[str, list[dict]]:
    """For every second training of a table: seeds 0 .. seeds - 1, scores that differ a little."""
    names = dict.fromkeys(recipe for row in TABLES[table].rows for recipe in row.recipes)
    return {
        name: [record(number, seed) for seed in range(seeds)]
        for number, name in enumerate(names)
        if number % 2 == 0
    }


def record(number: int, seed: int) -> dict:
    miou = 0.30 + 0.01 * number + 0.002 * seed
    return {
        "data": "camvid", "seed": seed, "steps": 160, "minutes": 1.25, "miou": miou,
        "pixel_accuracy": 0.8, "by_size": {"small": 0.1, "medium": 0.2, "large": 0.6},
        "multi": {"miou": miou + 0.01}, "machine": "two cores", "commit": "abc123",
    }  # fmt: skip


def verdict(word: str = "holds", **changes) -> SimpleNamespace:
    values = dict(
        table="setr-table-1a", question="Does PUP beat <Naive>?", better="PUP", worse="Naive",
        metric="mIoU", difference=1.25, low=0.5, high=2.0, seeds=5, word=word,
        evidence="mini.jsonl, camvid", printed="79.34 and 77.90",
        claim=SimpleNamespace(remark="all from random weights"),
    )  # fmt: skip
    return SimpleNamespace(**{**values, **changes})


VERDICTS = (
    verdict(),
    verdict("reversed", difference=-1.25, low=-2.0, high=-0.5),
    verdict("cannot be told at this scale", low=-1.0),
    verdict("not measured", difference=None, low=None, high=None, seeds=0, evidence="cut: why"),
    verdict("cannot be told at this scale", low=None, high=None, seeds=1),
)
