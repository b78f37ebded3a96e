"""A forest plot: each comparison a line, its difference a mark, its interval a bar.

Implements  : the usual summary of many trials in one chart, for the papers' ablations
Taught in   : chapter 16, Ablations, baselines and tables
Source      : ours; the numbers come from reproduce/verdicts.py, the marks say its words

    effects = [Effect("PUP over Naive", 0.4, -0.2, 1.0, "cannot be told at this scale")]
    show(forest_figure(effects), alt=forest_alt(effects))
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from segtutor.insight.plots import COLOURS

# word -> marker, colour, filled; never colour alone
WORDS = {
    "holds": ("o", COLOURS[0], True),
    "reversed": ("D", COLOURS[1], True),
    "cannot be told at this scale": ("s", "0.35", False),
    "not measured": ("", "0.45", False),
}
NAME, ROW, HEAD = 40, 0.3, 0.32  # letters of a name's line; inches of a row, of a group's heading


@dataclass(frozen=True)
class Effect:
    """name: what is compared. difference, low, high: points of mIoU and their 95 % interval; None
    where nothing was measured, the bounds also where an interval needs more seeds. word: a key of
    WORDS. group: a heading; effects of one group stand together.
    """

    name: str
    difference: float | None
    low: float | None
    high: float | None
    word: str
    group: str = ""

    def __post_init__(self):
        if self.word not in WORDS:
            raise ValueError(
                f"{self.name}: the word is {self.word!r}, expected one of {', '.join(WORDS)}"
            )
        for bound in ("low", "high"):
            value = getattr(self, bound)
            if value is not None and math.isnan(value):
                object.__setattr__(self, bound, None)

    @property
    def numbers(self) -> str:
        """ "+1.2 (+0.4 to +2.0)"; two decimals where one would hide on which side of zero it is."""
        if self.difference is None:
            return "not measured"
        seen = [v for v in (self.difference, self.low, self.high) if v is not None]
        places = 2 if any(0 < abs(v) < 0.05 for v in seen) else 1
        middle, *bounds = (f"{v:+.{places}f}" for v in seen)
        return middle + (f" ({' to '.join(bounds)})" if bounds else "")


def forest_figure(
    effects: Sequence[Effect],
    *,
    axis_label: str = "difference in points of mIoU",
    width: float = 7.2,
) -> Figure:
    """One line an effect, under the heading of its group. Filled marks: the interval excludes zero.
    Bars that reach far beyond the usual are cut with an arrow, their numbers stand beside them.
    """
    _check(effects)
    rows = _rows(effects)
    lines = [textwrap.wrap(e.name, NAME) if isinstance(e, Effect) else [e] for e in rows]
    heights = [
        max(ROW, 0.17 * len(text) + 0.1) if isinstance(e, Effect) else HEAD
        for e, text in zip(rows, lines, strict=True)
    ]
    total = sum(heights)
    figure, axis = plt.subplots(figsize=(width, total + 1.15))
    limit = _reach(effects)
    place = 0.0
    for row, text, height in zip(rows, lines, heights, strict=True):
        middle = place + height / 2
        axis.text(
            -0.02, middle, "\n".join(text), transform=axis.get_yaxis_transform(), ha="right",
            va="center", fontsize=9, weight="normal" if isinstance(row, Effect) else "bold",
        )  # fmt: skip
        if isinstance(row, Effect):
            _draw(axis, row, middle, limit)
            axis.text(
                1.02, middle, row.numbers, transform=axis.get_yaxis_transform(), va="center",
                fontsize=9, color="0.35" if row.difference is None else "black",
            )  # fmt: skip
        place += height
    axis.axvline(0, color="0.6", linewidth=1, zorder=0)
    axis.set_xlim(-1.08 * limit, 1.08 * limit)
    axis.set_ylim(total, 0)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_xlabel(axis_label)
    figure.subplots_adjust(left=0.4, right=0.76, top=1 - 0.5 / (total + 1.15))
    figure.subplots_adjust(bottom=0.6 / (total + 1.15))
    _legend(figure, effects)
    return figure


def forest_alt(effects: Sequence[Effect]) -> str:
    """The chart in words: how many of each word, and the numbers of those that exclude zero."""
    _check(effects)
    parts = []
    for word in WORDS:
        some = [e for e in effects if e.word == word]
        if not some:
            continue
        told = ", ".join(f"{e.name} {e.numbers}" for e in some) if WORDS[word][2] else ""
        parts.append(f"{len(some)} {word}" + (f": {told}" if told else ""))
    measured = [e for e in effects if e.difference is not None]
    far = max(measured, key=lambda e: abs(e.difference), default=None)
    most = f" The largest difference is {far.numbers}, {far.name}." if far else ""
    return (
        f"Forest plot of {len(effects)} comparisons, differences in points with 95 % intervals "
        f"around a line at zero. {'; '.join(parts)}.{most}"
    )


def _check(effects: Sequence[Effect]) -> None:
    if not effects:
        raise ValueError("no effect to draw: give at least one Effect(name, difference, ...)")


def _rows(effects: Sequence[Effect]) -> list[Effect | str]:
    """Headings and effects from top to bottom; groups in the order of their first effect."""
    groups: dict[str, list[Effect]] = {}
    for effect in effects:
        groups.setdefault(effect.group, []).append(effect)
    return [row for name, some in groups.items() for row in ([name] if name else []) + some]


def _reach(effects: Sequence[Effect]) -> float:
    """To which difference the axis goes: all of them, but not beyond three times the usual."""
    seen = [(e.difference, e.low, e.high) for e in effects if e.difference is not None]
    far = [max(abs(v) for v in three if v is not None) for three in seen]
    return min(max(far), 3 * median(far)) or 1.0 if far else 1.0


def _draw(axis: Axes, effect: Effect, y: float, limit: float) -> None:
    marker, colour, filled = WORDS[effect.word]
    if effect.difference is None:
        return
    if effect.low is not None:
        low, high = (max(-limit, min(limit, v)) for v in (effect.low, effect.high))
        axis.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
        for bound, cut, arrow in ((effect.low, low, "<"), (effect.high, high, ">")):
            if bound != cut:
                axis.plot([cut], [y], arrow, color=colour, markersize=6)
    if abs(effect.difference) <= limit:
        face = colour if filled else "white"
        axis.plot([effect.difference], [y], marker or "s", color=colour, markerfacecolor=face,
                  markersize=7, markeredgewidth=1.6)  # fmt: skip


def _legend(figure: Figure, effects: Sequence[Effect]) -> None:
    handles = []
    for word, (marker, colour, filled) in WORDS.items():
        if marker and any(e.word == word for e in effects):
            face = colour if filled else "white"
            handles.append(
                Line2D([], [], color=colour, marker=marker, markerfacecolor=face, label=word)
            )
    if handles:
        figure.legend(handles=handles, loc="upper center", ncols=len(handles), fontsize=9)
