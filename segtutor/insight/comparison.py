"""Models side by side: photograph, truth, answers, where each is wrong, and a border enlarged.

Implements  : the kind of picture in SETR figures 2-4 and Segmenter figures 3, 5 and 9-12
Taught in   : chapter 15, Reading the model; chapters 06 and 10 look at borders
Departs     : the papers show answers only, of pictures and places that their authors chose. Here
              the mistakes are drawn too, in two colours, because along a border they mean something
              else than inside (evaluation/borders.py); and the enlarged place is found by a rule:
              the window that holds most mistakes near borders, of all models together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from segtutor.evaluation.borders import near_border
from segtutor.insight.plots import COLOURS, as_picture, legend_patches, overlay

RIGHT, INSIDE, BORDER, UNKNOWN = range(4)  # the values of an error map
ERRORS = {  # value -> colour, what the legend says
    INSIDE: (COLOURS[1], "wrong, away from borders"),
    BORDER: (COLOURS[0], "wrong, within {reach} px of a border"),
    UNKNOWN: ("#FFFFFF", "no label"),
}
FRAME = COLOURS[4]  # of the enlarged window


class Window(NamedTuple):
    """Rows top..top+height-1, columns left..left+width-1 of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, x: Tensor) -> Tensor:
        """The window's part of (..., H, W)."""
        return x[..., self.top : self.top + self.height, self.left : self.left + self.width]


def error_map(prediction: Tensor, truth: Tensor, *, reach: int = 4, ignore: int = 255) -> Tensor:
    """Each pixel RIGHT, wrong INSIDE, wrong near a BORDER of the truth, or UNKNOWN; (H, W) uint8.

    prediction, truth: (H, W) class ids. reach: pixels, see `near_border`.
    """
    prediction, truth = torch.as_tensor(prediction).cpu(), torch.as_tensor(truth).cpu()
    if prediction.shape != truth.shape:
        raise ValueError(
            f"the prediction is {tuple(prediction.shape)}, the truth {tuple(truth.shape)} pixels: "
            "predict at the photograph's own size"
        )
    found = torch.full(truth.shape, RIGHT, dtype=torch.uint8)  # (H, W)
    wrong, near = prediction.long() != truth.long(), near_border(truth, reach)
    found[wrong & ~near], found[wrong & near] = INSIDE, BORDER
    found[truth == ignore] = UNKNOWN
    return found


def busiest_window(weight: Tensor, size: tuple[int, int]) -> Window:
    """The window of `size` (rows, columns) with the largest sum of (H, W) weights; the first in
    reading order where several are equal.
    """
    H, W = weight.shape
    height, width = min(size[0], H), min(size[1], W)
    sums = F.pad(weight.double().cumsum(0).cumsum(1), (1, 0, 1, 0))  # (H + 1, W + 1)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
    inside = inside + sums[:-height, :-width]  # (H - height + 1, W - width + 1)
    best = int((inside.round(decimals=6)).flatten().argmax())
    return Window(*divmod(best, inside.shape[1]), height, width)


def border_window(
    predictions: Sequence[Tensor],
    truth: Tensor | None = None,
    *,
    size: tuple[int, int] | None = None,
    reach: int = 4,
    ignore: int = 255,
) -> Window:
    """Where to look closer: the window with most mistakes near borders, of all predictions.

    predictions: (H, W) class ids each. size: rows, columns; a third of the picture if None. Without
    truth, or without a mistake: where the models disagree most; else where borders are densest.
    """
    maps = [torch.as_tensor(p).cpu().long() for p in predictions]
    H, W = maps[0].shape
    size = size or (-(-H // 3), -(-W // 3))
    weight = torch.zeros(H, W)
    if truth is not None:
        for p in maps:
            weight += error_map(p, truth, reach=reach, ignore=ignore) == BORDER
    if not weight.any():
        for p in maps[1:]:
            weight += p != maps[0]
    if not weight.any():
        weight += near_border(maps[0] if truth is None else torch.as_tensor(truth).cpu(), 1)
    return busiest_window(weight, size)


def comparison_figure(
    image: Tensor,
    predictions: dict[str, Tensor],
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    *,
    truth: Tensor | None = None,
    window: Window | None = None,
    reach: int = 4,
    ignore: int = 255,
    opacity: float = 0.6,
    width: float = 8.0,
) -> Figure:
    """Photograph, truth and models in columns; below them the enlarged window, then the mistakes.

    image: (3, H, W), uint8 or float in 0..1. predictions: title -> (H, W) class ids. truth: (H, W)
    class ids, or None for a photograph without labels: then there is no row of mistakes. window:
    None finds one, see `border_window`. width: inches. The legend names only classes that occur.
    """
    maps = _checked(image, predictions, truth)
    window = window or border_window(
        list(predictions.values()), truth, reach=reach, ignore=ignore
    )  # fmt: skip
    H, W = image.shape[-2:]
    columns, rows = 1 + len(maps), 2 + (truth is not None)
    cell = width / columns
    tall = cell * (H / W + window.height / window.width + (H / W) * (truth is not None))
    entries = legend_patches(list(maps.values()), classes, palette)
    per_row = max(1, int(width / 1.5))
    foot = 0.3 + 0.22 * -(-len(entries) // per_row)
    ratios = [H / W, window.height / window.width, H / W][:rows]
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, tall + foot + 0.4), squeeze=False,
        gridspec_kw=dict(height_ratios=ratios, wspace=0.03, hspace=0.05, left=0.005, right=0.995,
                         top=1 - 0.3 / (tall + foot + 0.4), bottom=foot / (tall + foot + 0.4)),
    )  # fmt: skip
    pictures = {"photograph": as_picture(image)}
    for title, label in maps.items():
        pictures[title] = overlay(image, label, palette, ignore=ignore, opacity=opacity)
    for column, (title, picture) in enumerate(pictures.items()):
        axes[0, column].imshow(picture)
        room = int(10 * cell)  # letters
        axes[0, column].set_title(title if len(title) <= room else f"…{title[1 - room :]}")
        part = picture[window.top : window.top + window.height]
        axes[1, column].imshow(part[:, window.left : window.left + window.width])
        _frame(axes[0, column], axes[1, column], window)
    if truth is not None:
        _mistakes(axes[2], image, predictions, truth, reach, ignore)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.legend(handles=entries, loc="lower center", ncols=per_row, fontsize=9)
    return figure


def comparison_alt(
    predictions: dict[str, Tensor],
    classes: Sequence[str],
    *,
    truth: Tensor | None = None,
    window: Window | None = None,
    reach: int = 4,
    ignore: int = 255,
) -> str:
    """The figure in words: shares of right pixels, of mistakes near borders, and of the window."""
    maps = {name: torch.as_tensor(p).cpu().long() for name, p in predictions.items()}
    window = window or border_window(list(maps.values()), truth, reach=reach, ignore=ignore)
    place = (
        f"rows {window.top} to {window.top + window.height - 1}, columns {window.left} to "
        f"{window.left + window.width - 1}"
    )
    shown = [*maps.values(), *([] if truth is None else [torch.as_tensor(truth).cpu()])]
    present = sorted({int(k) for m in shown for k in m.unique() if k < len(classes)})
    names = ", ".join(classes[k] for k in present)
    if truth is None:
        first, *others = maps
        text = [f"A photograph and the answers of {' and '.join(maps)}, with {place} enlarged."]
        for name in others:
            differ = float((maps[name] != maps[first]).float().mean())
            text.append(f"{name} and {first} differ at {100 * differ:.0f} % of the pixels.")
        return " ".join([*text, f"Classes: {names}."])
    text = [f"A photograph, its truth and the answers of {' and '.join(maps)}."]
    for name, p in maps.items():
        errors = error_map(p, truth, reach=reach, ignore=ignore)
        known, wrong = errors != UNKNOWN, (errors == INSIDE) | (errors == BORDER)
        share = float(wrong.sum() / known.sum().clamp(min=1))
        near = float((errors == BORDER).sum() / wrong.sum().clamp(min=1))
        local = float(window.of(wrong).sum() / window.of(known).sum().clamp(min=1))
        text.append(
            f"{name} is right at {100 - 100 * share:.0f} % of the labelled pixels, and "
            f"{100 * near:.0f} % of its mistakes lie within {reach} pixels of a border; in the "
            f"enlarged window, {place}, it is wrong at {100 * local:.0f} %."
        )
    return " ".join([*text, f"Classes: {names}."])


def _checked(image: Tensor, predictions: dict, truth: Tensor | None) -> dict[str, Tensor]:
    if not predictions:
        raise ValueError("no prediction to show: give at least one, title -> (H, W) class ids")
    maps = {} if truth is None else {"truth": torch.as_tensor(truth).cpu()}
    maps |= {title: torch.as_tensor(p).cpu() for title, p in predictions.items()}
    for title, label in maps.items():
        if label.shape != image.shape[-2:]:
            raise ValueError(
                f"{title!r} is {tuple(label.shape)} pixels, the photograph "
                f"{tuple(image.shape[-2:])}: both must have the same size"
            )
    return maps


def _frame(whole, part, window: Window) -> None:
    """The window's outline in the whole picture, and around its enlargement."""
    corner = (window.left - 0.5, window.top - 0.5)
    for colour, line in (("black", 3.4), (FRAME, 1.8)):
        whole.add_patch(
            Rectangle(corner, window.width, window.height, fill=False, ec=colour, lw=line)
        )
    whole.spines[:].set_visible(False)
    part.spines[:].set(visible=True, color=FRAME, linewidth=1.8)


def _mistakes(axes, image: Tensor, predictions: dict, truth: Tensor, reach: int, ignore: int):
    """One row: what the colours mean, then each model's mistakes over the pale photograph."""
    picture = as_picture(image)
    grey = (picture / 255 if picture.dtype == np.uint8 else picture).mean(-1, keepdims=True)
    pale = np.repeat(0.35 * grey + 0.6, 3, axis=-1)  # (H, W, 3)
    for axis in axes:
        axis.spines[:].set_visible(False)
    keys = [
        Patch(facecolor=colour, edgecolor="0.4", label=text.format(reach=reach))
        for colour, text in ERRORS.values()
    ]
    axes[1].patch.set_visible(False)  # the key may reach into it
    axes[0].legend(handles=keys, loc="center left", fontsize=9, borderaxespad=0)
    for axis, prediction in zip(axes[2:], predictions.values(), strict=True):
        errors = error_map(prediction, truth, reach=reach, ignore=ignore).numpy()
        drawn = pale.copy()
        for value, (colour, _) in ERRORS.items():
            drawn[errors == value] = plt.matplotlib.colors.to_rgb(colour)
        axis.imshow(drawn)
        known = errors != UNKNOWN
        right = (errors[known] == RIGHT).mean() if known.any() else float("nan")
        axis.set_xlabel(f"{100 * right:.0f} % right", fontsize=9)
