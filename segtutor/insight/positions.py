"""What a position embedding knows: how alike the vectors of two places are.

Implements  : the kind of picture in SETR's supplement, figure 1 (and ViT, figure 7)
Taught in   : chapter 04, Positions and other resolutions
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from segtutor.tokens.patch import Grid


def position_similarity(table: Tensor, grid: Grid, extra: int = 1) -> Tensor:
    """Cosine similarity of every pair of patch positions.

    table: (1, extra + h*w, D). Returns (h, w, h, w): [r, c] is the map of all places against place
    (r, c).
    """
    h, w = grid
    vectors = F.normalize(table[0, extra:].detach().float(), dim=-1)  # (N, D)
    return (vectors @ vectors.T).reshape(h, w, h, w)


def position_tiles(
    similarity: Tensor, *, step: int = 2, title: str = "", side: float = 4.6, limits=(-0.2, 1.0)
) -> Figure:
    """A grid of small maps: tile (r, c) shows which places resemble place (r, c).

    similarity: (h, w, h, w). step: take every step-th row and column, so that the tiles stay
                visible.
    """
    h, w = similarity.shape[:2]
    rows, cols = range(0, h, step), range(0, w, step)
    size = (side * w / max(h, w) + 0.8, side * h / max(h, w) + (0.4 if title else 0))
    figure, axes = plt.subplots(len(rows), len(cols), figsize=size, squeeze=False)
    for r, axis_row in zip(rows, axes, strict=True):
        for c, axis in zip(cols, axis_row, strict=True):
            drawn = axis.imshow(
                similarity[r, c].cpu(), vmin=limits[0], vmax=limits[1], cmap="viridis"
            )
            axis.set_xticks([])
            axis.set_yticks([])
    if title:
        figure.suptitle(title, fontsize=11)
    figure.subplots_adjust(wspace=0.08, hspace=0.08, right=0.86)
    bar = figure.add_axes((0.89, 0.15, 0.025, 0.7))
    figure.colorbar(drawn, cax=bar, label="cosine similarity")
    return figure
