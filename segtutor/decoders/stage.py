"""The brick that PUP and MLA are made of: convolution, BatchNorm, ReLU, then perhaps enlarge.

Implements  : SETR section 3.3 (2) and (3), "conv" in figure 1 (b) and (c)
Taught in   : chapter 06, Progressive upsampling: SETR-PUP
Official    : stride 1, padding keeps the side. PUP's convolutions have a bias although BatchNorm
              follows and takes it away again; MLA's have none. Naive and PUP enlarge with
              align_corners=False, MLA's head with True. Trained with synchronised BatchNorm (see
              `models.synchronise_batchnorm`).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ConvStage(nn.Module):
    """conv -> BatchNorm -> ReLU -> bilinear x `scale`.

    width_in, width_out: channels. kernel: 1 or 3. scale: by what both sides grow, 1 for not at
    all. forward: (B, width_in, h, w) -> (B, width_out, scale*h, scale*w).
    """

    def __init__(
        self,
        *,
        width_in: int,
        width_out: int,
        kernel: int = 3,
        bias: bool = True,
        scale: int = 1,
        align_corners: bool = False,
    ):
        super().__init__()
        if kernel % 2 == 0 or scale < 1:
            raise ValueError(f"kernel {kernel} must be odd and scale {scale} at least 1")
        self.scale, self.align_corners = scale, align_corners
        self.conv = nn.Conv2d(width_in, width_out, kernel, padding=kernel // 2, bias=bias)
        self.bn = nn.BatchNorm2d(width_out)

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_cuda:  # tokens arrive channels last, and there a processor's backward pass of
            x = x.contiguous()  # a 3x3 convolution is slow: PUP's step took 1.6 times as long
        x = F.relu(self.bn(self.conv(x)))  # (B, width_out, h, w)
        return enlarge(x, self.scale, align_corners=self.align_corners)


def enlarge(x: Tensor, scale: int, *, align_corners: bool = False) -> Tensor:
    """Bilinear interpolation by a whole factor: (B, C, h, w) -> (B, C, scale*h, scale*w)."""
    if scale == 1:
        return x
    size = (scale * x.shape[-2], scale * x.shape[-1])
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)
