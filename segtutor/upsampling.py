"""The last step of every decoder in both papers: coarse scores on a grid, one bilinear jump to
pixels.

Implements  : SETR section 3.3 (the final bilinear step of each decoder); Segmenter section 3.2
Taught in   : chapter 05, From tokens to a map (ramps, align_corners); chapter 13 (why the
              piecewise form saves memory)

Bilinear interpolation is linear and separable: rows @ scores @ cols.T with two small matrices. So
a strip of output rows can be made alone, used and thrown away, and the full (B, K, H, W) tensor
(157 MB for one 512x512 ADE20K image) never has to exist. `predict_from_coarse` here and
`training.losses.loss_from_coarse` work that way.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    scores = coarse.scores.float()
    full = F.interpolate(
        scores, size=coarse.padded_size, mode="bilinear", align_corners=coarse.align_corners
    )  # (B, K, H_padded, W_padded)
    return full[..., : size[0], : size[1]]  # (B, K, H, W)


def interpolation_matrix(
    source: int, target: int, align_corners: bool = False, device: torch.device | str = "cpu"
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
    return matrix.float()


class Strip(NamedTuple):
    """Output rows start..stop, and the matrix (stop - start, hi - lo) that makes them from source
    rows lo..hi.
    """

    start: int
    stop: int
    matrix: Tensor
    lo: int
    hi: int


def strips(rows: Tensor, height: int, strip: int = 32) -> Iterator[Strip]:
    """Cut the row matrix (H_padded, h) into strips of output rows, each with only the source rows
    it needs.
    """
    for start in range(0, height, strip):
        stop = min(start + strip, height)
        used = rows[start:stop].any(dim=0).nonzero()[:, 0]
        lo, hi = int(used[0]), int(used[-1]) + 1
        yield Strip(start, stop, rows[start:stop, lo:hi], lo, hi)


def separable(coarse: Coarse, scores: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """The two matrices of the jump, cropped to `size`: rows (H, h') and cols (W, w')."""
    h, w = scores.shape[-2:]
    rows = interpolation_matrix(h, coarse.padded_size[0], coarse.align_corners, scores.device)
    cols = interpolation_matrix(w, coarse.padded_size[1], coarse.align_corners, scores.device)
    return rows[: size[0]], cols[: size[1]]


@torch.no_grad()
def predict_from_coarse(coarse: Coarse, size: Size, strip: int = 32) -> Tensor:
    """Class of every pixel, (B, H, W) int64: `upsample(coarse, size).argmax(1)`, one strip of rows
    at a time.
    """
    scores = coarse.scores.float()  # (B, K, h', w')
    rows, cols = separable(coarse, scores, size)
    wide = scores @ cols.T  # (B, K, h', W)
    pieces = [
        (piece.matrix @ wide[:, :, piece.lo : piece.hi]).argmax(1)  # (B, strip, W)
        for piece in strips(rows, size[0], strip)
    ]
    return torch.cat(pieces, dim=1)  # (B, H, W)
