"""Where does a patch look? Attention weights as maps over the photograph.

Implements  : SETR figure 6 and supplement figures 2 and 4 (maps of picked points, layers by
              heads); Segmenter figures 1 and 6 (a patch's map, by layer)
Taught in   : chapter 02; chapter 15 asks what such maps can and cannot tell
Differs     : patches are drawn as the squares they are, where the papers smooth the maps up to
              pixels. SETR does not say how its maps of points were combined over layers; see
              rollout.py.

Layers, heads, rows and columns are counted from 0 in code, and from 1 in what a reader sees: titles
say "layer 1" for the first, alternative texts "row 1, column 1" for the patch in the upper left.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from segtutor.insight.plots import as_picture
from segtutor.tokens.patch import Grid

EXTRA_TOKENS = ("cls", "dist")  # in the order in which an encoder puts them before the patches


def chosen(attention: Tensor, layer: int, head: int | str = "mean") -> Tensor:
    """One matrix of many: (L, A, T, T) -> (T, T).

    layer: 0..L-1. head: 0..A-1, or "mean" over heads. Raises ValueError with the range there is.
    """
    L, A = attention.shape[:2]
    if not 0 <= layer < L:
        raise ValueError(f"there is no layer {layer}: the model has {L}, counted 0..{L - 1}")
    if head == "mean":
        return attention[layer].mean(0)
    if isinstance(head, str) or not 0 <= head < A:
        raise ValueError(f"there is no head {head!r}: a layer has {A}, 0..{A - 1}, or 'mean'")
    return attention[layer, head]


def attention_of_patch(
    weights: Tensor, grid: Grid, patch: tuple[int, int], extra: int = 1
) -> Tensor:
    """The row of the attention matrix that belongs to one patch, laid out on the grid.

    weights: (A, T, T) of one image, as `capture` sees them; T = extra + h*w. patch: (row, column).
    Returns (A, h, w). Its values sum to one minus what the patch gives to the extra tokens.
    """
    (h, w), (row, column) = grid, patch
    if not (0 <= row < h and 0 <= column < w):
        raise ValueError(
            f"patch {patch} is outside the {h}x{w} grid (rows 0..{h - 1}, columns 0..{w - 1})"
        )
    _check_tokens(weights, grid, extra)
    return weights[:, extra + row * w + column, extra:].reshape(-1, h, w)  # (A, h, w)


def attention_of_token(weights: Tensor, grid: Grid, token: str = "cls", extra: int = 1) -> Tensor:
    """What the class token ("cls") or the distillation token ("dist") takes from each patch.

    weights: (A, T, T). extra: how many such tokens the model has. Returns (A, h, w).
    """
    names = EXTRA_TOKENS[:extra]
    if token not in names:
        have = " and ".join(names) if names else "no such token: SETR-MLA drops it"
        raise ValueError(f"there is no token {token!r}: this model has {have}")
    _check_tokens(weights, grid, extra)
    return weights[:, names.index(token), extra:].reshape(-1, *grid)  # (A, h, w)


def attention_of_class(weights: Tensor, grid: Grid, number: int) -> Tensor:
    """What a class embedding takes from each patch, in the mask transformer.

    weights: (A, N + K, N + K) of a decoder block, patches first. number: 0..K-1. Returns (A, h, w).
    """
    N = grid[0] * grid[1]
    classes = weights.shape[-1] - N
    if classes < 1:
        raise ValueError(
            f"attention over {weights.shape[-1]} tokens holds no classes beside a grid of "
            f"{grid[0]}x{grid[1]}: take it from a mask transformer (`Inside.decoder_attention`)"
        )
    if not 0 <= number < classes:
        raise ValueError(f"there is no class {number}: the model has {classes}, 0..{classes - 1}")
    return weights[:, N + number, :N].reshape(-1, *grid)  # (A, h, w)


def _check_tokens(weights: Tensor, grid: Grid, extra: int) -> None:
    if weights.shape[-1] != extra + grid[0] * grid[1]:
        raise ValueError(
            f"attention over {weights.shape[-1]} tokens does not fit {extra} extra tokens "
            f"and a {grid[0]}x{grid[1]} grid"
        )


def attention_figure(
    image: Tensor,
    maps: dict[str, Tensor],
    patch: tuple[int, int] | None = None,
    *,
    columns: int = 4,
    side: float = 2.3,
) -> Figure:
    """Attention maps over a photo.

    image: (3, H, W). maps: title -> (h, w) weights; each from its own smallest to its own
    largest weight. patch: (row, column) of the query, outlined. The first panel is the photo.
    """
    picture = as_picture(image)
    H, W = picture.shape[:2]
    panels = [("photo", None), *maps.items()]
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    size = (side * columns * W / H, side * rows * 1.12)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (title, map_) in zip(axes.flat, panels, strict=False):
        axis.set_title(title, parse_math=False)
        draw_map(axis, picture, map_)
        if patch is not None:
            mark_patch(axis, patch, next(iter(maps.values())).shape, (H, W))
    figure.tight_layout()
    return figure


def attention_grid(
    image: Tensor,
    maps: Tensor,
    rows: Sequence[str],
    columns: Sequence[str],
    points: Sequence[tuple[int, int] | None] = (),
    *,
    width: float = 8.0,
) -> Figure:
    """A table of maps: rows are layers, columns are heads, or picked points, or classes.

    image: (3, H, W). maps: (R, C, h, w), each from its own smallest to its own largest
    weight. rows, columns: R and C titles. points: (row, column) of the query of each column,
    outlined; one for all, or none; None for a column whose query is no patch. width: inches.
    """
    R, C, h, w = maps.shape
    if (len(rows), len(columns)) != (R, C):
        raise ValueError(f"{R}x{C} maps, but {len(rows)} row and {len(columns)} column titles")
    if len(points) not in (0, 1, C):
        raise ValueError(f"{len(points)} points for {C} columns: give none, one, or one a column")
    queries = list(points) * (C if len(points) == 1 else 1) or [None] * C
    picture = as_picture(image)
    H, W = picture.shape[:2]
    left, top = 0.75, 0.3  # inches kept for titles
    cell = (width - left) / C
    height = R * cell * H / W + top
    figure, axes = plt.subplots(
        R,
        C,
        figsize=(width, height),
        squeeze=False,
        gridspec_kw=dict(left=left / width, right=1, bottom=0, top=1 - top / height,
                         wspace=0.04, hspace=0.04),
    )  # fmt: skip
    for r, line in enumerate(axes):
        for c, axis in enumerate(line):
            axis.set_axis_off()
            draw_map(axis, picture, maps[r, c])
            if queries[c] is not None:
                mark_patch(axis, queries[c], (h, w), (H, W))
            if r == 0:
                axis.set_title(columns[c], fontsize=10, pad=4, parse_math=False)
        line[0].text(-0.05, 0.5, rows[r], transform=line[0].transAxes, fontsize=10, ha="right",
                     va="center", parse_math=False)  # fmt: skip
    return figure


def draw_map(axis: Axes, picture: np.ndarray, map_: Tensor | None) -> None:
    """The photograph, pale grey, under a map in colours; without a map, the photograph itself.

    picture: (H, W, 3). map_: (h, w). Colours run from its smallest to its largest weight, from dark
    and almost clear to light yellow and almost opaque ("inferno" rises evenly in lightness), and
    with the root of the weight, else one heavy patch would hide all others.
    """
    H, W = picture.shape[:2]
    if map_ is None:
        axis.imshow(picture)
        return
    map_ = map_.detach().cpu().double().numpy()
    low, high = map_.min(), map_.max()
    scaled = ((map_ - low) / (high - low or 1.0)) ** 0.5  # (h, w) in 0..1
    grey = picture.astype(float).mean(-1) / (255 if picture.dtype == np.uint8 else 1)
    axis.imshow(0.15 + 0.85 * grey, cmap="gray", vmin=0, vmax=1, extent=(0, W, H, 0))
    colours = plt.get_cmap("inferno")(scaled)  # (h, w, 4)
    colours[..., 3] = 0.2 + 0.7 * scaled
    axis.imshow(colours, extent=(0, W, H, 0))


def mark_patch(axis: Axes, patch: tuple[int, int], grid: Grid, size: tuple[int, int]) -> None:
    """Outline a patch, white on black so that it shows on any ground. size: (H, W) pixels."""
    side = (size[1] / grid[1], size[0] / grid[0])  # width, height
    corner = (patch[1] * side[0], patch[0] * side[1])
    for colour, line in (("black", 2.6), ("white", 1.3)):
        axis.add_patch(Rectangle(corner, *side, fill=False, edgecolor=colour, linewidth=line))


def patches_for_half(map_: Tensor) -> int:
    """How many patches, the heaviest first, hold half of the map's weight: a measure of spread.

    map_: (h, w), not negative. 0 for a map of zeros.
    """
    ranked = map_.flatten().double().sort(descending=True).values
    total = ranked.sum()
    short = ranked.cumsum(0) < total / 2 * (1 - 1e-6)  # exactly half, but for rounding, is half
    return int(short.sum()) + 1 if total > 0 else 0


def patch_words(patch: tuple[int, int]) -> str:
    """A patch as readers are told of it: (6, 2), counted from 0, is "patch row 7, column 3"."""
    return f"patch row {patch[0] + 1}, column {patch[1] + 1}"


def attention_alt(maps: dict[str, Tensor], whose: str = "a patch") -> str:
    """The maps in words: where each is heaviest, and how far it spreads. Rows and columns are
    counted from 1, as layers are in titles.

    maps: title -> (h, w); at most four are described, evenly chosen, first and last among them.
    whose: the query, such as `patch_words(patch)`.
    """
    titles = list(maps)
    picked = sorted({round(i) for i in np.linspace(0, len(titles) - 1, min(4, len(titles)))})
    h, w = next(iter(maps.values())).shape
    parts = []
    for title in (titles[i] for i in picked):
        row, column = divmod(int(torch.argmax(maps[title])), w)
        half = patches_for_half(maps[title])
        parts.append(
            f"{title}: heaviest at row {row + 1}, column {column + 1}, half of the weight on "
            f"{half} of {h * w} patches"
        )
    count = f"{len(titles)} attention maps" if len(titles) > 1 else "Attention map"
    return f"{count} of {whose} over the photograph. {'; '.join(parts)}."


def grid_alt(
    maps: Tensor, rows: Sequence[str], columns: Sequence[str], whose: str = "the marked patch"
) -> str:
    """A table of maps (R, C, h, w) in words: how far the attention of each row spreads."""
    R, C, h, w = maps.shape
    halves = [[patches_for_half(maps[r, c]) for c in range(C)] for r in range(R)]
    parts = []
    for name, line in zip(rows, halves, strict=True):
        low, high = min(line), max(line)
        parts.append(f"{name}: {low}" if low == high else f"{name}: {low} to {high}")
    return (
        f"Attention of {whose}, {R} rows by {C} columns ({columns[0]} to {columns[-1]}). "
        f"Patches that hold half of the weight, of {h * w}: {'; '.join(parts)}."
    )
