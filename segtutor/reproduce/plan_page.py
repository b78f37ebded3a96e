"""The tables of the page "Full runs on your GPU", computed from recipes and planner.

Taught in   : chapter 13, Training recipes
"""

from __future__ import annotations

from segtutor.training.ladder import ladder
from segtutor.training.planner import CARDS, SHARE
from segtutor.training.published import find_run
from segtutor.training.runs import Run

MARK = "@PLANS@"  # stands for one GPU's tables in a page
MARK_MANY = "@PLANS ON EIGHT GPUS@"
SHOWN = {
    "ADE20K": (
        "ade20k-segmenter-linear-tiny-16",
        "ade20k-segmenter-mask-small-16",
        "ade20k-segmenter-mask-base-16",
        "ade20k-segmenter-mask-large-16-640",
        "ade20k-setr-naive-large-160k",
        "ade20k-setr-pup-large-160k",
        "ade20k-setr-mla-large-160k",
    ),
    "Pascal Context": (
        "pascal-context-segmenter-mask-base-deit-16",
        "pascal-context-segmenter-mask-large-16",
        "pascal-context-setr-mla-large-80k",
    ),
    "Cityscapes": (
        "cityscapes-segmenter-mask-large-16",
        "cityscapes-setr-naive-small-80k",
        "cityscapes-setr-pup-large-80k",
    ),
}
MANY = (
    "ade20k-segmenter-mask-large-16-640",
    "ade20k-setr-mla-large-160k",
    "cityscapes-setr-pup-large-80k",
)


def one_gpu() -> str:
    """A table a data set: the run, the mIoU to expect, and for each card what to add to the
    command, GiB and hours.
    """
    lines = []
    for data, names in SHOWN.items():
        head = " | ".join(card.title for card in CARDS.values())
        lines += [f"### {data}", "", f"| run | mIoU, SS / MS | {head} |"]
        lines += ["|---|---|" + "---|" * len(CARDS)]
        for name in names:
            run = find_run(name)
            cells = [_cell(run, card) for card in CARDS.values()]
            lines.append(f"| `{name}` | {_miou(run)} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def eight_gpus() -> str:
    """Three large runs on eight cards each, with and without sharing of weights and states."""
    titles = [f"8 x {card.title}{kind}" for card in _many() for kind in ("", ", FSDP")]
    lines = [f"| run | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
    for name in MANY:
        run = find_run(name)
        cells = [_cell(run, card, 8, sharded=s) for card in _many() for s in (False, True)]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def assumed_share() -> str:
    return f"{SHARE:.0%}"


def _many() -> list:
    return [CARDS["t4"], CARDS["24gb"]]


def _miou(run: Run) -> str:
    numbers = (run.miou_ss, run.miou_ms)
    return " / ".join(f"{n:.2f}" if n is not None else "-" for n in numbers)


def _cell(run: Run, card, gpus: int = 1, *, sharded: bool = False) -> str:
    last = ladder(run, card, gpus, sharded=sharded)[-1]
    if not last.fits:
        return "does not fit"
    words = ", ".join(f"`{k}={v}`" for k, v in last.changes.items())
    return f"{last.need:.1f} GiB, {last.hours:.0f} h" + (f"; {words}" if words else "")
