"""Learned position embeddings, and how to move them to another grid.

Implements  : SETR section 3.2 (p_i added to e_i), section 4.1 (2-D interpolation of pretrained
              positions); Segmenter section 3.1 (z_0 = x_0 + pos), section 4.2 (bilinear
              interpolation)
Taught in   : chapter 04, Positions and other resolutions
Official    : Segmenter resizes bilinearly (align_corners=False, no antialias) when the token
              *count* differs from the stored one, so 2x8 patches silently reuse the table of 4x4.
              We resize when the *grid* differs. SETR resizes once, when pretrained weights are
              loaded. timm today resizes bicubically.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.tokens.patch import Grid


def resize_positions(
    table: Tensor, old: Grid, new: Grid, *, extra: int = 1, mode: str = "bilinear"
) -> Tensor:
    """Interpolate a position table to another grid.

    table: (1, extra + h*w, D): `extra` leading vectors that have no place in the image (class and
    distillation token; copied unchanged), then one vector per patch in row-major order. mode:
    "bilinear" or "bicubic". Returns (1, extra + h'*w', D).
    """
    if mode not in ("bilinear", "bicubic"):
        raise ValueError(f"mode is {mode!r}, expected 'bilinear' or 'bicubic'")
    if table.shape[1] != extra + old[0] * old[1]:
        raise ValueError(
            f"the position table has {table.shape[1]} rows, but {extra} extra tokens and a grid of "
            f"{old[0]}x{old[1]} make {extra + old[0] * old[1]}: give the table's own grid"
        )
    if old == new:
        return table
    first, patches = table[:, :extra], table[:, extra:]  # (1, extra, D), (1, h*w, D)
    D = table.shape[-1]
    as_image = patches.reshape(1, *old, D).permute(0, 3, 1, 2)  # (1, D, h, w)
    as_image = F.interpolate(as_image, size=new, mode=mode, align_corners=False)  # (1, D, h', w')
    patches = as_image.permute(0, 2, 3, 1).reshape(1, new[0] * new[1], D)  # (1, h'*w', D)
    return torch.cat([first, patches], dim=1)  # (1, extra + h'*w', D)


class PositionEmbed(nn.Module):
    """One learned vector per token, resized whenever the image's grid is not the table's.

    width: D. grid: the (h, w) the table is stored for. extra: leading tokens without a place in
    the image. mode: interpolation. forward: (B, extra + N, D) tokens and their grid -> the same
    shape, positions added. Its one parameter is `table` (1, extra + N, D); `Encoder` files it
    under timm's key, `pos_embed`.
    """

    def __init__(self, *, width: int, grid: Grid, extra: int = 1, mode: str = "bilinear"):
        super().__init__()
        self.grid, self.extra, self.mode = tuple(grid), extra, mode
        self.table = nn.Parameter(torch.empty(1, extra + grid[0] * grid[1], width))
        nn.init.normal_(self.table, std=0.02)

    def at(self, grid: Grid) -> Tensor:
        """The table for another grid: (1, extra + h*w, D)."""
        return resize_positions(
            self.table, self.grid, tuple(grid), extra=self.extra, mode=self.mode
        )

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        return tokens + self.at(grid)  # (B, extra + N, D)
