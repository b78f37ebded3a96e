"""What a position embedding knows: how alike the vectors of two places are.

Implements  : the kind of picture in SETR's supplement, figure 1 (and ViT, figure 7)
Taught in   : chapter 04, Positions and other resolutions; chapter 15 compares ViT's and DeiT's
Differs     : SETR shows the table it trained. `before_and_after` sets the stored table beside what
              the model really adds to another grid, which the papers never show.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from segtutor.tokens import resize_positions
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


def mosaic(similarity: Tensor, tiles: Grid, gap: int = 1) -> Tensor:
    """Many similarity maps as one picture, nan between them.

    similarity: (h, w, h, w). tiles: (rows, columns) of tiles; their query places lie evenly over
    the grid. Returns (rows*h + (rows-1)*gap, columns*w + (columns-1)*gap).
    """
    h, w = similarity.shape[:2]
    (rows, columns), (places, across) = tiles, query_places((h, w), tiles)
    picture = torch.full((rows * (h + gap) - gap, columns * (w + gap) - gap), float("nan"))
    for i, r in enumerate(places):
        for j, c in enumerate(across):
            top, left = i * (h + gap), j * (w + gap)
            picture[top : top + h, left : left + w] = similarity[r, c]
    return picture


def query_places(grid: Grid, tiles: Grid) -> tuple[list[int], list[int]]:
    """Rows and columns of the query places: the middles of `tiles` equal parts of the grid."""
    if any(not 1 <= t <= g for t, g in zip(tiles, grid, strict=True)):
        raise ValueError(f"{tiles[0]}x{tiles[1]} tiles do not fit a grid of {grid[0]}x{grid[1]}")
    rows, columns = (
        [int((i + 0.5) * g / t) for i in range(t)] for g, t in zip(grid, tiles, strict=True)
    )
    return rows, columns


def tables_figure(
    similarities: dict[str, Tensor],
    *,
    tiles: Grid | Sequence[Grid] = (7, 7),
    limits: tuple[float, float] = (-0.2, 1.0),
    width: float = 8.0,
) -> Figure:
    """Similarity tiles of two or more tables side by side, on one colour scale.

    similarities: title -> (h, w, h, w), e.g. ViT and DeiT, or before and after interpolation.
    tiles: (rows, columns), the same for all or one each. width: inches.
    """
    wanted = [tuple(tiles)] * len(similarities) if isinstance(tiles[0], int) else list(tiles)
    pictures = [mosaic(s, t) for s, t in zip(similarities.values(), wanted, strict=True)]
    shares = [p.shape[1] / p.shape[0] for p in pictures]  # widths at equal height
    height = (width - 1.0) / sum(shares)
    figure, axes = plt.subplots(
        1,
        len(pictures),
        figsize=(width, height + 0.55),
        width_ratios=shares,
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(wspace=0.05)
    for axis, title, picture in zip(axes[0], similarities, pictures, strict=True):
        masked = np.ma.masked_invalid(picture.cpu().numpy())
        drawn = axis.imshow(masked, vmin=limits[0], vmax=limits[1], cmap="viridis", aspect="auto")
        axis.set_title(title, fontsize=10, parse_math=False)
        axis.set_axis_off()
    figure.colorbar(drawn, ax=list(axes[0]), label="cosine similarity", shrink=0.9, pad=0.015)
    return figure


def places_figure(
    similarities: dict[str, Tensor],
    places: Sequence[Grid],
    *,
    limits: tuple[float, float] = (-1.0, 1.0),
    width: float = 7.6,
) -> tuple[Figure, str]:
    """Picked places against all places, one row a table, one column a place. Returns the figure and
    its alternative text.

    similarities: title -> (h, w, h, w), all of one grid. places: (row, column), counted from 0;
    titles count from 1. width: inches. Raises ValueError for a place outside the grid.
    """
    h, w = next(iter(similarities.values())).shape[:2]
    for row, column in places:
        if not (0 <= row < h and 0 <= column < w):
            raise ValueError(f"place {(row, column)} is outside the {h}x{w} grid")
    R, C = len(similarities), len(places)
    size = (width, R * (width - 1.2) / C * h / w + 0.35 * (R + 1))
    figure, axes = plt.subplots(R, C, figsize=size, squeeze=False, layout="constrained")
    for line, (title, similarity) in zip(axes, similarities.items(), strict=True):
        line[0].set_ylabel(title, fontsize=10, parse_math=False)
        for axis, (row, column) in zip(line, places, strict=True):
            picture = similarity[row, column].cpu()
            drawn = axis.imshow(picture, vmin=limits[0], vmax=limits[1], cmap="viridis")
            axis.plot(column, row, "wo", markeredgecolor="black", markersize=5)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    for axis, (row, column) in zip(axes[0], places, strict=True):
        axis.set_title(f"row {row + 1}, column {column + 1}", fontsize=10)
    figure.colorbar(drawn, ax=list(axes.flat), label="cosine similarity", shrink=0.8, pad=0.015)
    return figure, places_alt(similarities, places)


def places_alt(similarities: dict[str, Tensor], places: Sequence[Grid]) -> str:
    """Maps of picked places in words: how far from each, in cells, the tenth of all places lies
    that is most like it. Rows and columns count from 1.
    """
    names = [f"row {row + 1} column {column + 1}" for row, column in places]
    parts = []
    for title, similarity in similarities.items():
        far = [f"{reach(similarity[row, column], (row, column)):.1f}" for row, column in places]
        parts.append(f"{title} {', '.join(far)}")
    return (
        f"Similarity of {len(places)} places ({', '.join(names)}) with all places of the grid. The "
        f"tenth that is most like each lies, on average, so many cells away: {'; '.join(parts)}."
    )


def reach(map_: Tensor, place: Grid) -> float:
    """Mean distance, in cells, of the tenth of all other places that is most like `place`. map_:
    (h, w) of its similarities.
    """
    h, w = map_.shape
    down, side = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    away = torch.hypot((down - place[0]).double(), (side - place[1]).double()).flatten()
    ranked = map_.cpu().flatten().double().clone()
    ranked[place[0] * w + place[1]] = -torch.inf
    best = ranked.argsort(descending=True, stable=True)[: max(1, (h * w - 1) // 10)]
    return float(away[best].mean())


def before_and_after(
    table: Tensor,
    old: Grid,
    new: Grid,
    *,
    extra: int = 1,
    mode: str = "bilinear",
    tiles: Grid = (7, 7),
    width: float = 8.0,
) -> tuple[Figure, str]:
    """The stored table beside what it becomes on another grid, and the alternative text.

    table: (1, extra + h*w, D) of grid `old`. mode: see `resize_positions`.
    """
    stretched = resize_positions(table, old, new, extra=extra, mode=mode)
    both = {
        f"stored, {old[0]}x{old[1]}": position_similarity(table, old, extra),
        f"{mode}, {new[0]}x{new[1]}": position_similarity(stretched, new, extra),
    }
    alt = tables_alt(both)
    return tables_figure(both, tiles=tiles, width=width), alt


def tables_alt(similarities: dict[str, Tensor]) -> str:
    """The tiles in words: how alike neighbours are, how alike the same row or column, and how alike
    all places.
    """
    parts = []
    for title, similarity in similarities.items():
        beside, row, column, everywhere = likeness(similarity)
        parts.append(
            f"{title}: next neighbour {beside:.2f}, same row {row:.2f}, same column {column:.2f}, "
            f"all places {everywhere:.2f}"
        )
    return f"Tiles of cosine similarity between position vectors. Mean of {'; '.join(parts)}."


def likeness(similarity: Tensor) -> tuple[float, float, float, float]:
    """Mean similarity (h, w, h, w) of: next neighbours, places of one row, of one column, all;
    a place is never compared with itself.
    """
    h, w = similarity.shape[:2]
    rows, cols = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    down = (rows[:, :, None, None] - rows).abs()  # (h, w, h, w)
    side = (cols[:, :, None, None] - cols).abs()
    kinds = (down + side == 1, (down == 0) & (side > 0), (side == 0) & (down > 0), down + side > 0)
    return tuple(similarity[kind].mean().item() for kind in kinds)
