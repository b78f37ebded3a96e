"""Do the papers' trends hold in the miniatures? Each claim, with what was measured for it.

Taught in   : chapter 16, Ablations, baselines and tables
Source      : what is claimed stands in the papers' tables and is read from there (tables.py); what
              is measured stands in results/*.jsonl

A trend "holds", or is "reversed", only where the 95 % interval of the differences, paired over at
least five seeds, excludes zero. Everything else "cannot be told at this scale".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segtutor.reproduce.expand import trained_as
from segtutor.reproduce.experiments.base import ledger_of, recorded
from segtutor.reproduce.experiments.paired import interval
from segtutor.reproduce.measured import MINI, mini_records, score
from segtutor.reproduce.tables import Cell, find_table

Place = tuple[str, str, str]  # table, row, column
SEEDS = 5
METRICS = {
    "mIoU": "miou",
    "mIoU, small": "small",
    "mIoU, medium": "medium",
    "mIoU, large": "large",
    "pixel accuracy": "pixel_accuracy",
}


@dataclass(frozen=True)
class Claim:
    """In the paper, the cell `better` is above the cell `worse`. measured: the two cells whose
    miniatures are compared instead, where these have none of their own. experiment: or a chapter's
    experiment and its two variants.
    """

    question: str
    better: Place
    worse: Place
    measured: tuple[Place, Place] | None = None
    experiment: tuple[str, str, str] | None = None
    remark: str = ""


@dataclass(frozen=True)
class Verdict:
    """difference, low, high: better minus worse in points of mIoU, mean and 95 % interval over the
    paired seeds; None where nothing was measured. word: see `word_for`. printed: what the paper
    says; evidence: where the measurements stand.
    """

    claim: Claim
    table: str
    question: str
    better: str
    worse: str
    metric: str
    printed: str
    difference: float | None
    low: float | None
    high: float | None
    seeds: int
    word: str
    evidence: str


A, B, C, D, E = (f"setr-table-1{part}" for part in "abcde")
T2, T3, T4, T5, T9 = (f"segmenter-table-{number}" for number in (2, 3, 4, 5, 9))
SS = "mIoU (SS)"
CLAIMS = (
    Claim("Does PUP do better than Naive?", (A, "SETR-PUP", "80k"), (A, "SETR-Naive", "80k")),
    Claim("Does PUP do better than MLA?", (A, "SETR-PUP", "80k"), (A, "SETR-MLA", "80k")),
    Claim("Does Naive do better than MLA?", (A, "SETR-Naive", "80k"), (A, "SETR-MLA", "80k")),
    Claim("PUP: do twice the steps help?", (A, "SETR-PUP", "80k"), (A, "SETR-PUP", "40k")),
    Claim("Naive: do twice the steps help?", (A, "SETR-Naive", "80k"), (A, "SETR-Naive", "40k")),
    Claim("MLA: do twice the steps help?", (A, "SETR-MLA", "80k"), (A, "SETR-MLA", "40k")),
    *(
        Claim(
            f"Does SETR-MLA do better than Semantic FPN with {name}?",
            (B, "SETR-MLA", "mIoU"),
            (B, f"Semantic FPN ({row})", "mIoU"),
            remark="all from random weights; the paper's start from ImageNet",
        )
        for name, row in (("ResNet-50", "res-50"), ("ResNet-101", "res-101"))
    ),
    Claim(
        "Does pretraining help SETR-PUP?",
        (C, "ImageNet-21k", "mIoU"),
        (C, "Random", "mIoU"),
        remark="DeiT-Tiny from ImageNet-1k stands in for ImageNet-21k",
    ),
    Claim(
        "Do patches alone do better than a ResNet before the blocks?",
        (A, "SETR-Naive", "80k"),
        (D, "SETR-Hybrid (21k-21k)", "80k"),
        experiment=("08-hybrid", "patches", "ResNet"),
        remark="chapter 08's experiment: random weights, equally many steps",
    ),
    Claim(
        "Does the larger encoder do better (SETR)?",
        (A, "SETR-PUP", "80k"),
        (D, "SETR-PUP-S", "80k"),
        measured=((T3, "Seg-L/16", SS), (T3, "Seg-S/16", SS)),
        remark="measured behind Segmenter's linear decoder, from random weights",
    ),
    *(
        Claim(
            f"Does {name} do better than an FCN with ResNet-101?",
            (E, name, "Cityscapes"),
            (E, "FCN ImageNet-1k ResNet-101", "Cityscapes"),
            remark="all from random weights; the paper's start from ImageNet",
        )
        for name in ("SETR-PUP", "SETR-MLA", "SETR-Naive")
    ),
    Claim(
        "Do several scales help (SETR-PUP)?",
        ("setr-table-5", "SETR-PUP (80k, MS)", "mIoU"),
        ("setr-table-5", "SETR-PUP (80k, SS)", "mIoU"),
    ),
    Claim("Does drop path of 0.1 help?", (T2, "dropout 0.0", "0.1"), (T2, "dropout 0.0", "0.0")),
    Claim("Is no dropout better than 0.1?", (T2, "dropout 0.0", "0.1"), (T2, "dropout 0.1", "0.1")),
    Claim("Does the larger encoder do better?", (T3, "Seg-L/16", SS), (T3, "Seg-Ti/16", SS)),
    Claim("Are patches of 16 better than of 32?", (T3, "Seg-B/16", SS), (T3, "Seg-B/32", SS)),
    Claim("Are patches of 8 better than of 16?", (T3, "Seg-B/8", SS), (T3, "Seg-B/16", SS)),
    *(
        Claim(
            f"Mask transformer over linear, {what}?",
            (T4, "Seg-B†-Mask/16", column),
            (T4, "Seg-B†/16", column),
        )
        for what, column in (
            ("all classes", SS),
            ("small objects", "Small"),
            ("medium objects", "Medium"),
            ("large objects", "Large"),
        )
    ),
    *(
        Claim(f"Are {more} images better than {less}?", (T5, SS, more), (T5, SS, less))
        for more, less in (("20k", "4k"), ("20k", "16k"))
    ),
    Claim(
        "Several scales, mask transformer: do they help?",
        ("segmenter-table-6", "Seg-B†-Mask/16", "+MS"),
        ("segmenter-table-6", "Seg-B†-Mask/16", "mIoU"),
    ),
    Claim(
        "Pretrained: is SGD better than AdamW?",
        (T9, "Seg-S/16 ImageNet-21k SGD", SS),
        (T9, "Seg-S/16 ImageNet-21k AdamW", SS),
    ),
    Claim(
        "From random weights: is SGD better than AdamW?",
        (T9, "Seg-S/16 None SGD", SS),
        (T9, "Seg-S/16 None AdamW", SS),
    ),
    Claim(
        "Does pretraining help Segmenter?",
        (T9, "Seg-S/16 ImageNet-21k SGD", SS),
        (T9, "Seg-S/16 None SGD", SS),
    ),
)


def verdicts(ledger: str | Path = MINI) -> tuple[Verdict, ...]:
    """All claims, judged by what the ledgers hold."""
    return tuple(judge(claim, ledger) for claim in CLAIMS)


def judge(claim: Claim, ledger: str | Path = MINI) -> Verdict:
    """One claim. Raises ValueError for a cell that does not exist."""
    better, worse = cell_at(claim.better), cell_at(claim.worse)
    if claim.experiment:
        differences, evidence = _of_experiment(*claim.experiment)
    else:
        differences, evidence = _of_miniatures(
            *(cell_at(place) for place in claim.measured or (claim.better, claim.worse)), ledger
        )
    spread = [100 * v for v in interval(differences)] if differences else [None] * 3
    few = len(differences) < 2
    return Verdict(
        claim=claim,
        table=worse.table,
        question=claim.question,
        better=_named(better),
        worse=_named(worse),
        metric=better.metric,
        printed=f"{better.printed} and {worse.printed}",
        difference=spread[0],
        low=None if few else spread[1],
        high=None if few else spread[2],
        seeds=len(differences),
        word=word_for(differences),
        evidence=evidence,
    )


def word_for(differences: list[float]) -> str:
    """One of "holds", "reversed", "cannot be told at this scale"; "not measured" for none."""
    if not differences:
        return "not measured"
    if len(differences) >= SEEDS:
        _, low, high = interval(differences)
        if low > 0 or high < 0:
            return "holds" if low > 0 else "reversed"
    return "cannot be told at this scale"


def cell_at(place: Place) -> Cell:
    """The cell of a table. Raises ValueError, with the table's cells, for one that is not there."""
    table, row, column = place
    cells = find_table(table)[0].numbers()
    for cell in cells:
        if (cell.row, cell.column) == (row, column):
            return cell
    known = ", ".join(f"{c.row} / {c.column}" for c in cells)
    raise ValueError(f"{table} has no cell {row} / {column}; there are {known}")


def _of_miniatures(better: Cell, worse: Cell, ledger) -> tuple[list[float], str]:
    found = []
    for cell in (better, worse):
        metric = "multi" if cell.scale == "MS" else METRICS[cell.metric]
        records = mini_records(cell.table, ledger).get(trained_as(cell), [])
        found.append({r["seed"]: v for r in records if (v := score(r, metric)) is not None})
    seeds = sorted(set(found[0]) & set(found[1]))
    record = next(iter(mini_records(better.table, ledger).get(trained_as(better), [])), None)
    where = f"{Path(ledger).name}, {record['data']}" if record else Path(ledger).name
    return [found[0][s] - found[1][s] for s in seeds], where


def _of_experiment(name: str, better: str, worse: str) -> tuple[list[float], str]:
    from segtutor.reproduce.experiments import find

    experiment = next(e for e in find(name[:2]) if e.name == name)
    scores = {(r["variant"], r["seed"]): r["miou"] for r in recorded(experiment)}
    seeds = sorted(s for v, s in scores if v == better and (worse, s) in scores)
    return [scores[better, s] - scores[worse, s] for s in seeds], ledger_of(experiment).name


def _named(cell: Cell) -> str:
    plain = cell.column in ("mIoU", SS) or cell.row == SS
    return (cell.column if cell.row == SS else cell.row) + ("" if plain else f", {cell.column}")
