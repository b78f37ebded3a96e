"""The last step of every decoder in both papers: coarse scores on a grid, one bilinear jump to
pixels.

Implements  : SETR section 3.3 (the final bilinear step of each decoder); Segmenter section 3.2
Taught in   : chapter 05, From tokens to a map (ramps, align_corners); chapter 13 (why the
              piecewise form saves memory)

Bilinear interpolation is linear and separable: rows @ scores @ cols.T with two small matrices. So
a strip of output rows can be made alone, used and thrown away, and the full (B, K, H, W) tensor
(157 MB for one 512x512 ADE20K image) never has to exist. `predict_from_coarse` here and
`training.losses.loss_from_coarse` work that way.

It also mixes without inventing: between four source points no score exceeds the largest of the
four, nor falls below the smallest. A class whose largest corner lies below another class's smallest
cannot be the answer there, and `predict_from_coarse` never interpolates it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import product
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
    needs. The same cuts columns.
    """
    for start in range(0, height, strip):
        stop = min(start + strip, height)
        used = rows[start:stop].any(dim=0).nonzero()[:, 0]
        lo, hi = int(used[0]), int(used[-1]) + 1
        yield Strip(start, stop, rows[start:stop, lo:hi], lo, hi)


def separable(coarse: Coarse, scores: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """The two matrices of the jump, cropped to `size`: rows (H, h') and cols (W, w')."""
    (h, w), like = scores.shape[-2:], (coarse.align_corners, scores.device, scores.dtype)
    rows = interpolation_matrix(h, coarse.padded_size[0], *like)
    cols = interpolation_matrix(w, coarse.padded_size[1], *like)
    return rows[: size[0]], cols[: size[1]]


@torch.no_grad()
def predict_from_coarse(coarse: Coarse, size: Size, tile: int | None = None) -> Tensor:
    """Class of every pixel, (B, H, W) int64: `upsample(coarse, size).argmax(1)`, one tile of
    `tile` x `tile` pixels at a time, with the classes that can win in it.

    tile: None takes 64 on a processor, and 1024 on a GPU, where few large products beat many small.
    """
    scores = at_least_single(coarse.scores)  # (B, K, h', w')
    tile = tile or (64 if scores.device.type == "cpu" else 1024)
    rows, cols = separable(coarse, scores, size)
    down, right = list(strips(rows, size[0], tile)), list(strips(cols, size[1], tile))
    possible = can_win(scores)  # (B, K, h', w')
    answer = torch.empty(len(scores), *size, dtype=torch.long, device=scores.device)  # (B, H, W)
    for b, r, c in product(range(len(scores)), down, right):
        cells = possible[b, :, r.lo : max(r.hi - 1, r.lo + 1), c.lo : max(c.hi - 1, c.lo + 1)]
        classes = cells.flatten(1).any(1).nonzero()[:, 0]  # (C,), C <= K
        some = scores[b, classes, r.lo : r.hi, c.lo : c.hi]  # (C, rows, columns)
        pixels = r.matrix @ (some @ c.matrix.T)  # (C, tile, tile)
        answer[b, r.start : r.stop, c.start : c.stop] = classes[pixels.max(0).indices]
    return answer  # (B, H, W)


def can_win(scores: Tensor) -> Tensor:
    """Which classes can have the highest score somewhere in a cell? (B, K, h', w') booleans.

    A cell lies between a source point and its neighbours to the right and below. Its four corners
    bound each class from both sides; a class can win if its upper bound reaches the best lower
    bound of all.
    """
    x = F.pad(scores, (0, 1, 0, 1), mode="replicate")  # (B, K, h' + 1, w' + 1)
    corners = x[..., :-1, :-1], x[..., 1:, :-1], x[..., :-1, 1:], x[..., 1:, 1:]
    upper, lower = reduce(torch.maximum, corners), reduce(torch.minimum, corners)
    return ~(upper < lower.amax(1, keepdim=True))  # (B, K, h', w'); nan may win, as in argmax
