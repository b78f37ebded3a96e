"""The last step of every decoder in both papers: coarse scores on a grid, one bilinear jump to
pixels.

Implements  : SETR section 3.3 (the final bilinear step of each decoder); Segmenter section 3.2
Taught in   : chapter 05, From tokens to a map (ramps, align_corners); chapter 13 (why the
              piecewise form saves memory)

Bilinear interpolation is linear and separable: rows @ scores @ cols.T with two small matrices. So
a strip of output rows can be made alone, used and thrown away, and the full (B, K, H, W) tensor
(157 MB for one 512x512 ADE20K image) never has to exist. `predict_from_coarse` here and
`training.losses.loss_from_coarse` work that way.

It also mixes without inventing: between source points no score exceeds their largest, nor falls
below their smallest. A class whose largest lies below another class's smallest cannot be the answer
there, and prediction never interpolates it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import pairwise, product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]  # height, width in pixels


class Coarse(NamedTuple):
    """What a model computes before the jump.

    scores: (B, K, h', w'). aux: the same from each auxiliary head, empty outside training.
    padded_size: (H, W) that the scores cover, a multiple of the patch; the image may be smaller
                 (crop comes last). align_corners: how the jump places the corners; False in both
                 papers.
    """

    scores: Tensor
    aux: tuple[Tensor, ...]
    padded_size: Size
    align_corners: bool = False


def upsample(coarse: Coarse, size: Size) -> Tensor:
    """Coarse scores -> (B, K, H, W) logits: interpolate to the padded size, then crop to `size`."""
    scores = at_least_single(coarse.scores)
    full = F.interpolate(
        scores, size=coarse.padded_size, mode="bilinear", align_corners=coarse.align_corners
    )  # (B, K, H_padded, W_padded)
    return full[..., : size[0], : size[1]]  # (B, K, H, W)


def at_least_single(scores: Tensor) -> Tensor:
    """Half precision numbers are interpolated in float32; float32 and float64 stay as they are."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def interpolation_matrix(
    source: int,
    target: int,
    align_corners: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Bilinear interpolation along one axis as a (target, source) matrix; each row sums to 1."""
    i = torch.arange(target, dtype=torch.float64, device=device)  # (target,)
    if align_corners:
        x = i * (source - 1) / max(target - 1, 1)
    else:
        x = ((i + 0.5) * source / target - 0.5).clamp(min=0)
    left = x.floor().long().clamp(max=source - 1)  # (target,)
    right = (left + 1).clamp(max=source - 1)
    part = x - left  # (target,)
    matrix = torch.zeros(target, source, dtype=torch.float64, device=device)
    matrix.scatter_add_(1, left[:, None], (1 - part)[:, None])
    matrix.scatter_add_(1, right[:, None], part[:, None])
    return matrix.to(dtype)


class Strip(NamedTuple):
    """Output rows start..stop, and the matrix (stop - start, hi - lo) that makes them from source
    rows lo..hi.
    """

    start: int
    stop: int
    matrix: Tensor
    lo: int
    hi: int


def strips(rows: Tensor, height: int, strip: int) -> Iterator[Strip]:
    """Cut the row matrix (H, h') into strips of output rows, each with only the source rows it
    needs.
    """
    for start in range(0, height, strip):
        yield cut(rows, start, min(start + strip, height))


def cut(rows: Tensor, start: int, stop: int) -> Strip:
    """Rows start..stop of a row matrix (H, h'), without the source rows that they do not use."""
    used = rows[start:stop].any(dim=0).nonzero()[:, 0]
    lo, hi = int(used[0]), int(used[-1]) + 1
    return Strip(start, stop, rows[start:stop, lo:hi], lo, hi)


def separable(coarse: Coarse, scores: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """The two matrices of the jump, cropped to `size`: rows (H, h') and cols (W, w')."""
    (h, w), like = scores.shape[-2:], (coarse.align_corners, scores.device, scores.dtype)
    rows = interpolation_matrix(h, coarse.padded_size[0], *like)
    cols = interpolation_matrix(w, coarse.padded_size[1], *like)
    return rows[: size[0]], cols[: size[1]]


def predict_from_coarse(coarse: Coarse, size: Size, tile: int | None = None) -> Tensor:
    """Class of every pixel, (B, H, W) int64: `upsample(coarse, size).argmax(1)`, one tile of
    `tile` x `tile` pixels at a time.

    tile: None takes 64 on a processor, and 1024 on a GPU, where few large products beat many small.
    """
    answers = [
        predict_from_windows(coarse._replace(scores=one[None]), [(0, 0)], size, size, tile)
        for one in coarse.scores
    ]
    return torch.stack(answers)  # (B, H, W)


@torch.no_grad()
def predict_from_windows(
    coarse: Coarse, places: list[tuple[int, int]], window: Size, size: Size, tile: int | None = None
) -> Tensor:
    """Class of every pixel of one image seen through windows, (H, W) int64: what averaging their
    logits where they overlap, and arg-max, would give.

    coarse: of the windows, scores (n, K, h', w'). places: first row and column of each, in pixels.
    window, size: (rows, columns) of a window and of the image. tile: see `predict_from_coarse`.
    """
    scores = at_least_single(coarse.scores)
    rows, cols = separable(coarse, scores, window)
    tile = tile or (64 if scores.device.type == "cpu" else 1024)
    answer = torch.empty(size, dtype=torch.long, device=scores.device)  # (H, W)
    down = cuts(size[0], tile, [y for y, _ in places], window[0])
    right = cuts(size[1], tile, [x for _, x in places], window[1])
    for (top, bottom), (left, edge) in product(pairwise(down), pairwise(right)):
        seen = []  # windows that cover this tile: source scores, matrices of rows and columns
        for one, (y, x) in zip(scores, places, strict=True):
            if y <= top and bottom <= y + window[0] and x <= left and edge <= x + window[1]:
                r, c = cut(rows, top - y, bottom - y), cut(cols, left - x, edge - x)
                seen.append((one[:, r.lo : r.hi, c.lo : c.hi], r.matrix, c.matrix))
        classes = can_win([source for source, *_ in seen])  # (C,), C <= K
        parts = (r @ (source[classes] @ c.T) for source, r, c in seen)
        pixels = reduce(torch.add, parts)  # (C, tile, tile)
        answer[top:bottom, left:edge] = classes[pixels.max(0).indices]
    return answer  # (H, W)


def cuts(length: int, tile: int, starts: list[int], window: int) -> list[int]:
    """Where an axis is cut: every `tile` pixels, and where a window begins or ends."""
    return sorted({*range(0, length, tile), length, *starts, *(start + window for start in starts)})


def can_win(sources: list[Tensor]) -> Tensor:
    """Classes that can have the highest sum of interpolated scores anywhere in a tile, (C,) ids.

    sources: from each window the scores that the tile is made of, (K, rows, columns). Their
    extremes bound every class from both sides; it can win if its upper bound reaches the best lower
    bound.
    """
    upper = reduce(torch.add, (source.amax((1, 2)) for source in sources))  # (K,)
    lower = reduce(torch.add, (source.amin((1, 2)) for source in sources))  # (K,)
    return (~(upper < lower.max())).nonzero()[:, 0]  # nan may win, as in argmax
