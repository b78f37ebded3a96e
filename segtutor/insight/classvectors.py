"""Class vectors that have seen a picture: how they scatter over scenes, how alike they are.

Implements  : ours, on Segmenter section 3.2: class embeddings go into the mask transformer and come
              out as vectors made for this picture. Figure 8 shows what goes in (classes.py).
Taught in   : chapter 09, The mask transformer

One plane for the vectors of all pictures, else they could not be compared; the figure says how much
of the variance it keeps. The sheet of cosines counts all directions, so it has no such limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from segtutor.insight.classes import class_plane

MARKERS = "os^Dvp*X"
NUMBERS_UP_TO = 16  # classes; with more, cells are too small for numbers


def vectors_figure(
    vectors: Tensor,
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    *,
    size: tuple[float, float] = (6.4, 4.6),
) -> tuple[Figure, str]:
    """A dot for each class and picture in the plane of the two largest singular values of all.
    Returns the figure and its alternative text.

    vectors: (S, K, d), of S pictures. classes, palette: K names and colours. Raises ValueError for
    another number of names, and see `class_plane`.
    """
    _check(vectors, classes, 3, "(S, K, d)")
    S, K, _ = vectors.shape
    places, share = class_plane(vectors.flatten(0, 1))  # (S * K, 2)
    dots = places.reshape(S, K, 2)
    figure, axis = plt.subplots(figsize=size)
    for k, name in enumerate(classes):
        axis.plot(*dots[:, k].T.tolist(), MARKERS[k % len(MARKERS)], markersize=5, label=name,
                  color=np.array(palette[k]) / 255, markeredgecolor="black",
                  markeredgewidth=0.4)  # fmt: skip
    axis.set_xlabel(f"first axis ({100 * share[0]:.0f} % of the variance)")
    axis.set_ylabel(f"second axis ({100 * share[1]:.0f} %)")
    axis.set_aspect("equal", adjustable="datalim")
    columns = min(4, K)
    figure.tight_layout(rect=(0, 0.02 + 0.055 * -(-K // columns), 1, 1))
    figure.legend(loc="lower center", ncols=columns, fontsize=9, handletextpad=0.3)
    own, others = scatter(vectors)
    alt = (
        f"Vectors of {K} classes, one dot for each of {S} pictures, in a plane that keeps "
        f"{100 * float(share.sum()):.0f} % of their variance. In all directions a dot lies "
        f"{own:.2f} from the middle of its class on average, and the middles of two classes "
        f"{others:.2f} from each other."
    )
    return figure, alt


def scatter(vectors: Tensor) -> tuple[float, float]:
    """(S, K, d) -> mean distance of a vector from its class's mean over pictures, and mean distance
    of the means of two classes.
    """
    vectors = vectors.detach().double()
    means = vectors.mean(0)  # (K, d)
    return float((vectors - means).norm(dim=-1).mean()), float(F.pdist(means).mean())


def cosine_sheet(
    vectors: Tensor, classes: Sequence[str], *, side: float = 0.52
) -> tuple[Figure, str]:
    """The cosine of every class with every other as a table of coloured cells, with numbers where
    they fit. Returns the figure and its alternative text.

    vectors: (K, d), K at least 2. side: inches a cell. Raises ValueError for another number of
    names.
    """
    _check(vectors, classes, 2, "(K, d)")
    K = len(vectors)
    unit = F.normalize(vectors.detach().double(), dim=-1)
    cosines = (unit @ unit.T).cpu()  # (K, K)
    figure, axis = plt.subplots(figsize=(side * K + 2.2, side * K + 1.2))
    drawn = axis.imshow(cosines, vmin=-1, vmax=1, cmap="RdBu_r")
    axis.set_xticks(range(K), classes, rotation=60, ha="right", rotation_mode="anchor",
                    parse_math=False)  # fmt: skip
    axis.set_yticks(range(K), classes, parse_math=False)
    if K <= NUMBERS_UP_TO:
        for (row, column), value in np.ndenumerate(cosines.numpy()):
            ink = "white" if abs(value) > 0.6 else "black"
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=8)
    figure.colorbar(drawn, ax=axis, label="cosine", shrink=0.8)
    figure.tight_layout()
    return figure, sheet_alt(cosines, classes)


def sheet_alt(cosines: Tensor, classes: Sequence[str], count: int = 3) -> str:
    """The sheet in words: cosines (K, K) of all pairs, the nearest ones, the furthest one."""
    pairs = torch.triu_indices(len(cosines), len(cosines), 1).T.tolist()
    ranked = sorted(pairs, key=lambda ij: -float(cosines[ij[0], ij[1]]))
    words = [f"{classes[i]} and {classes[j]} ({cosines[i, j]:.2f})" for i, j in ranked]
    mean = sum(float(cosines[i, j]) for i, j in pairs) / len(pairs)
    return (
        f"Cosines between {len(classes)} classes, {mean:.2f} on average. Nearest: "
        f"{', '.join(words[:count])}. Furthest apart: {words[-1]}."
    )


def _check(vectors: Tensor, classes: Sequence[str], axes: int, wanted: str) -> None:
    if vectors.ndim != axes or vectors.shape[-2] < 2:
        raise ValueError(
            f"vectors have shape {tuple(vectors.shape)}, expected {wanted} with K of at least 2"
        )
    if len(classes) != vectors.shape[-2]:
        raise ValueError(f"{len(classes)} class names for vectors of {vectors.shape[-2]} classes")
