"""SETR's plainest decoder: two 1x1 convolutions, then one bilinear jump to full resolution.

Implements  : SETR section 3.3 (1), "Naive upsampling"
Taught in   : chapter 05, From tokens to a map
Official    : before the first convolution stands a LayerNorm of the decoder's own (eps 1e-6),
              which the paper does not mention; the hidden width is 256; both convolutions have a
              bias; the jump uses align_corners=False. The same module on an earlier block is
              SETR-Naive's auxiliary head (chapter 08).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.tokens import Encoded, tokens_to_grid


class NaiveDecoder(nn.Module):
    """LayerNorm -> 1x1 conv D -> hidden -> BatchNorm -> ReLU -> 1x1 conv hidden -> K.

    width: D of the encoder. classes: K. layer: index of the block to read, None for the encoder's
    last output. forward: Encoded -> coarse scores (B, K, h, w).
    """

    def __init__(
        self,
        *,
        width: int,
        classes: int,
        hidden: int = 256,
        layer: int | None = None,
        norm_eps: float = 1e-6,
    ):
        super().__init__()
        self.layer = layer
        self.layers = () if layer is None else (layer,)
        self.norm = nn.LayerNorm(width, eps=norm_eps)
        self.mix = nn.Conv2d(width, hidden, kernel_size=1)
        self.bn = nn.BatchNorm2d(hidden)
        self.classify = nn.Conv2d(hidden, classes, kernel_size=1)

    def forward(self, encoded: Encoded) -> Tensor:
        x = self.norm(encoded.patches(self.layer))  # (B, N, D)
        x = tokens_to_grid(x, encoded.grid)  # (B, D, h, w)
        x = F.relu(self.bn(self.mix(x)))  # (B, hidden, h, w)
        return self.classify(x)  # (B, K, h, w)
