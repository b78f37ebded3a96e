"""Which classes are taken for which: a confusion matrix as a picture, and in words.

Taught in   : chapter 12, Measuring: mIoU without traps

Each row is divided by its sum: of the pixels that are truly of this class, what share got which
answer? The diagonal is the recall. "cividis" runs from dark blue to yellow, evenly in lightness,
and looks the same with the common kinds of colour blindness.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

NUMBERS_UP_TO = 16  # classes; with more, cells are too small for numbers


def confusion_shares(matrix: Tensor) -> Tensor:
    """(K truth, K predicted) counts -> shares of each row, float64; nan for an empty row."""
    matrix = matrix.double()
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"the confusion matrix has shape {tuple(matrix.shape)}, expected (K, K)")
    return matrix / matrix.sum(1, keepdim=True)


def confused_pairs(matrix: Tensor, count: int = 5) -> list[tuple[int, int, float]]:
    """(truth, answer, share of the truth's pixels) of the commonest mistakes, largest share
    first.
    """
    shares = torch.nan_to_num(confusion_shares(matrix)).fill_diagonal_(0)
    order = shares.flatten().argsort(descending=True)[:count].tolist()
    pairs = [divmod(i, len(shares)) for i in order]
    return [(t, p, float(shares[t, p])) for t, p in pairs if shares[t, p] > 0]


def confusion_figure(
    matrix: Tensor, classes: Sequence[str], *, only: int | None = None, side: float = 0.46
) -> Figure:
    """The shares as a table of coloured cells, with numbers in percent where they fit.

    matrix: (K truth, K predicted) pixel counts, e.g. `MeanIoU.matrix`. classes: K names. only: show
    so many classes, those with the most pixels that were found as something else (for 150 classes a
    full table cannot be read). side: inches a cell. Show it with `show(figure, alt)`, the text from
    `confusion_alt`.
    """
    if len(classes) != len(matrix):
        raise ValueError(f"{len(classes)} class names for a matrix of {len(matrix)} classes")
    shares = confusion_shares(matrix)
    keep = list(range(len(matrix)))
    if only is not None and only < len(keep):
        wrong = matrix.sum(1) - matrix.diagonal()
        keep = sorted(wrong.argsort(descending=True)[:only].tolist())
    part = shares[keep][:, keep].numpy()  # (k, k)
    names, k = [classes[i] for i in keep], len(keep)
    figure, axis = plt.subplots(figsize=(side * k + 2.2, side * k + 1.4))
    colours = plt.get_cmap("cividis").with_extremes(bad="0.85")  # grey: the class never occurs
    drawn = axis.imshow(np.ma.masked_invalid(part), vmin=0, vmax=1, cmap=colours)
    axis.set_xticks(range(k), names, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(k), names)
    axis.set_xlabel("answer")
    axis.set_ylabel("truth")
    if k <= NUMBERS_UP_TO:
        for (row, column), share in np.ndenumerate(part):
            if np.isfinite(share) and share >= 0.005:
                ink = "black" if share > 0.5 else "white"
                axis.text(column, row, f"{100 * share:.0f}", ha="center", va="center",
                          color=ink, fontsize=9)  # fmt: skip
    figure.colorbar(drawn, ax=axis, label="share of the true pixels", shrink=0.8)
    figure.tight_layout()
    return figure


def confusion_alt(matrix: Tensor, classes: Sequence[str], count: int = 3) -> str:
    """The picture in words, made from the numbers: which classes are found best and worst, and
    what is taken for what.
    """
    recall = confusion_shares(matrix).diagonal()
    known = [k for k in range(len(classes)) if not torch.isnan(recall[k])]
    if not known:
        return "An empty confusion matrix: no labelled pixel was counted."
    best = max(known, key=lambda k: float(recall[k]))
    worst = min(known, key=lambda k: float(recall[k]))
    text = (
        f"Confusion matrix of {len(classes)} classes. {classes[best]} is found best "
        f"({100 * float(recall[best]):.0f} % of its pixels), {classes[worst]} worst "
        f"({100 * float(recall[worst]):.0f} %)."
    )
    pairs = [
        f"{classes[t]} for {classes[p]} ({100 * share:.0f} %)"
        for t, p, share in confused_pairs(matrix, count)
    ]
    return f"{text} Most often taken for something else: {', '.join(pairs)}." if pairs else text
