"""Boxes and arrows: how drawings of whole models look. What they say comes from architecture.py.

Taught in   : chapters 00 and 05-09 show the drawings

Everything is measured in inches, downwards from the top left, so that letters keep their size. The
drawings are narrow: a page shows them at their own width, a telephone shrinks them by little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from segtutor.insight.plots import COLOURS

PITCH, HEIGHT, TOP = 0.86, 0.44, 0.42  # inches: from row to row, of a box, above the first row
PILE = 0.045  # inches from one copy of a pile to the next
INK, QUIET = "#222222", "#555555"
FILLS = {  # group -> (fill, edge)
    "pixels": ("#EFEFEF", "#777777"),
    "encoder": ("#DCEAF5", COLOURS[0]),
    "neck": ("#DDF1E9", COLOURS[2]),
    "decoder": ("#FBE8DC", COLOURS[1]),
    "classes": ("#F7E6EF", COLOURS[3]),
    "training": ("#FFFFFF", "#777777"),
}
PANELS = ("encoder", "neck", "decoder")  # groups that get a backdrop and a name on the left


@dataclass(frozen=True)
class Box:
    """key: its name for arrows. x: of its centre, in inches. row: 0 is the top one; fractions are
    fine. copies: drawn as a pile, like the layers of an encoder. kind "sum" is a small circle.
    """

    key: str
    title: str
    detail: str
    group: str
    x: float
    row: float
    width: float
    copies: int = 1
    kind: str = "box"

    @property
    def y(self) -> float:
        return TOP + HEIGHT / 2 + PITCH * self.row

    @property
    def half(self) -> tuple[float, float]:
        return (0.13, 0.13) if self.kind == "sum" else (self.width / 2, HEIGHT / 2)

    @property
    def pile(self) -> float:
        """How far the copies behind the box look out, above and on the right."""
        return PILE * (min(self.copies, 3) - 1)


@dataclass(frozen=True)
class Arrow:
    """From box to box, by their keys. shape: of what travels, without the batch axis. kind: what it
    is: "pixels", "tokens", "map", "scores". extra: tokens that are not patches. plain: only the
    shape, where there is no room for the word.
    """

    start: str
    end: str
    shape: tuple[int, ...]
    kind: str
    extra: int = 0
    dashed: bool = False
    plain: bool = False


@dataclass(frozen=True)
class Drawing:
    """A whole drawing. notes: sentences below it. width: inches."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    notes: tuple[str, ...] = ()
    width: float = 4.75


def times(shape: tuple[int, ...]) -> str:
    """(3, 64, 96) -> "3 × 64 × 96"."""
    return " × ".join(str(n) for n in shape)


def draw(drawing: Drawing) -> Figure:
    """The drawing as a figure, at its own size."""
    boxes = {box.key: box for box in drawing.boxes}
    bottom = max(box.y for box in drawing.boxes) + HEIGHT / 2
    height = bottom + 0.16 + 0.2 * len(drawing.notes)
    figure = plt.figure(figsize=(drawing.width, height))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, drawing.width), ylim=(height, 0))
    axis.set_axis_off()
    axis.text(0.12, 0.17, drawing.title, fontsize=11, fontweight="bold", va="center", color=INK)
    for group in PANELS:
        _panel(axis, group, [box for box in drawing.boxes if box.group == group], drawing.width)
    for arrow in drawing.arrows:
        _arrow(axis, arrow, boxes[arrow.start], boxes[arrow.end])
    for box in drawing.boxes:
        _box(axis, box)
    for i, note in enumerate(drawing.notes):
        axis.text(0.12, bottom + 0.2 + 0.2 * i, note, fontsize=8, va="center", color=QUIET)
    return figure


def _panel(axis, group: str, members: list[Box], width: float) -> None:
    if not members:
        return
    top = min(box.y for box in members) - HEIGHT / 2 - 0.12
    tall = max(box.y for box in members) + HEIGHT / 2 + 0.12 - top
    fill, edge = FILLS[group]
    _rounded(axis, 0.08, top, width - 0.16, tall, fill, "none", alpha=0.38, zorder=0)
    axis.text(0.24, top + tall / 2, group, rotation=90, fontsize=9, fontweight="bold", color=edge,
              ha="center", va="center")  # fmt: skip


def _box(axis, box: Box) -> None:
    fill, edge = FILLS[box.group]
    w, h = box.half
    if box.kind == "sum":
        axis.add_patch(plt.Circle((box.x, box.y), w, fc="white", ec=edge, lw=1.3, zorder=3))
        axis.text(box.x, box.y, "+", fontsize=12, ha="center", va="center_baseline", color=INK,
                  zorder=4)  # fmt: skip
        return
    for i in reversed(range(min(box.copies, 3))):
        shift = PILE * i
        _rounded(axis, box.x - w + shift, box.y - h - shift, 2 * w, 2 * h, fill, edge, lw=1.2,
                 zorder=3, linestyle="--" if box.group == "training" else "-")  # fmt: skip
    up = 0.085 if box.detail else 0
    axis.text(box.x, box.y - up, box.title, fontsize=9.5 if w > 0.6 else 8.5, fontweight="bold",
              ha="center", va="center", color=INK, zorder=4)  # fmt: skip
    axis.text(box.x, box.y + 0.095, box.detail, fontsize=8 if w > 0.6 else 7.5, ha="center",
              va="center", color=QUIET, zorder=4)  # fmt: skip


def _arrow(axis, arrow: Arrow, start: Box, end: Box) -> None:
    """Straight where the boxes face each other, else round one corner: to the right out of the
    side and down, to the left down and into the side.
    """
    (sw, sh), (ew, eh) = start.half, end.half
    label = times(arrow.shape) if not arrow.plain else "×".join(str(n) for n in arrow.shape)
    text = dict(fontsize=7.5 if arrow.plain else 8.5, color=INK, va="center", zorder=5)
    if start.row == end.row:  # sideways
        sign = 1 if end.x > start.x else -1
        _line(axis, [(start.x + sign * sw, start.y), (end.x - sign * ew, end.y)], arrow)
        x = (start.x + end.x + sign * (sw - ew)) / 2
        axis.text(x, start.y - 0.1, label, ha="center", **text)
        return
    if abs(start.x - end.x) < max(sw, ew):  # straight down
        x = start.x if sw < ew else end.x
        top, bottom = start.y + sh, end.y - eh - end.pile
        _line(axis, [(x, top), (x, bottom)], arrow)
        middle = (top + bottom) / 2 if bottom - top < 0.6 else bottom - 0.2
        word = "" if arrow.plain else f"  {arrow.kind}"
        axis.text(x + 0.08, middle, label + word, ha="left", **text)
        if not arrow.plain:
            _glyph(axis, arrow, x - 0.13, middle)
        return
    if end.x > start.x:
        y, x, bottom = start.y + 0.09, end.x, end.y - eh - end.pile
        _line(axis, [(start.x + sw + start.pile, y), (x, y), (x, bottom)], arrow)
        axis.text(x + 0.08, max((y + bottom) / 2, bottom - 0.3), label, ha="left", **text)
    else:
        x, y, top = start.x, end.y - 0.09, start.y + sh
        _line(axis, [(x, top), (x, y), (end.x + ew + end.pile, y)], arrow)
        axis.text(x + 0.08, (top + y) / 2, label, ha="left", **text)


def _line(axis, points: list[tuple[float, float]], arrow: Arrow) -> None:
    style = dict(color="#444444", linewidth=1.2, linestyle=(0, (4, 3)) if arrow.dashed else "-")
    if len(points) > 2:
        axis.plot(*zip(*points[:-1], strict=True), zorder=2, solid_capstyle="round", **style)
    axis.add_patch(FancyArrowPatch(*points[-2:], arrowstyle="-|>", mutation_scale=9, zorder=2,
                                   shrinkA=0, shrinkB=0, **style))  # fmt: skip


def _glyph(axis, arrow: Arrow, right: float, y: float) -> None:
    """A small picture of what travels: a strip of tokens, a pile of maps, or a photograph."""
    if len(arrow.shape) < 3:
        usual = COLOURS[1] if arrow.kind == "scores" else COLOURS[0]
        for i in range(6):
            colour = COLOURS[3] if i < arrow.extra else usual
            side, x = 0.075, right - 0.1 * (6 - i)
            axis.add_patch(Rectangle((x, y - side / 2), side, side, fc=colour, ec="none", zorder=3))
        return
    side = min(0.22, 0.1 + 0.025 * max(0.0, math.log2(arrow.shape[-2] / 16)))  # grows with the map
    if arrow.kind == "pixels":
        side = 0.24
        for top, share, colour in ((0, 0.62, "#8CC5EA"), (0.62, 0.38, "#8FB573")):
            place = (right - side, y - side / 2 + top * side)
            axis.add_patch(Rectangle(place, side, share * side, fc=colour, ec="none", zorder=3))
        return
    fill, edge = FILLS["decoder" if arrow.kind == "scores" else "neck"]
    for i in reversed(range(3)):
        place = (right - side - 0.03 * i, y - side / 2 + 0.025 * (1 - i))
        axis.add_patch(Rectangle(place, side, side, fc=fill, ec=edge, lw=0.8, zorder=3))


def _rounded(axis, x, y, width, height, fill, edge, **options) -> None:
    style = "round,pad=0,rounding_size=0.09"
    axis.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle=style, fc=fill, ec=edge, **options)
    )
