"""SETR-PUP: four times convolve and double, instead of one jump by sixteen.

Implements  : SETR section 3.3 (2), "Progressive UPsampling", figure 1 (b)
Taught in   : chapter 06, Progressive upsampling: SETR-PUP
Official    : a LayerNorm of the decoder's own comes first (eps 1e-6, not in the paper). Stages 1-3
              are 3x3 convolution, BatchNorm, ReLU, x2; stage 4 is the same without the x2; then
              comes the 1x1 classifier, and the fourth x2 acts on the class scores. The paper draws
              every x2 on features. That is one and the same function: a 1x1 convolution mixes
              channels, interpolation mixes places with weights that sum to one, so they commute
              (tests/decoders/test_pup.py). Doubling K scores is cheaper than doubling 256 features.
              Width 256 is fixed in the official code, a plain argument here.

The fourth x2 is the jump that every model ends with (upsampling.py), so the coarse scores of this
decoder have eight times the grid's sides: 1/2 of the image for patches of 16.
"""

from __future__ import annotations

from torch import Tensor, nn

from segtutor.decoders.stage import ConvStage
from segtutor.tokens import Encoded, tokens_to_grid

SCALES = (2, 2, 2, 1)  # what each stage grows by; the last x2 is the model's final jump


class PUPDecoder(nn.Module):
    """LayerNorm -> len(scales) stages of (3x3 conv, BatchNorm, ReLU, x scale) -> 1x1 conv to K.

    width: D of the encoder. classes: K. hidden: channels inside. scales: one entry per stage.
    layer: index of the block to read, None for the encoder's last output. forward: Encoded with
    grid (h, w) -> coarse scores (B, K, s*h, s*w), s the product of the scales, 8 officially.
    """

    def __init__(
        self,
        *,
        width: int,
        classes: int,
        hidden: int = 256,
        scales: tuple[int, ...] = SCALES,
        layer: int | None = None,
        norm_eps: float = 1e-6,
    ):
        super().__init__()
        self.layer = layer
        self.layers = () if layer is None else (layer,)
        self.norm = nn.LayerNorm(width, eps=norm_eps)
        self.stages = nn.ModuleList(
            ConvStage(width_in=width if i == 0 else hidden, width_out=hidden, scale=scale)
            for i, scale in enumerate(scales)
        )
        self.classify = nn.Conv2d(hidden, classes, kernel_size=1)

    def forward(self, encoded: Encoded) -> Tensor:
        x = self.norm(encoded.patches(self.layer))  # (B, N, D)
        x = tokens_to_grid(x, encoded.grid)  # (B, D, h, w)
        for stage in self.stages:
            x = stage(x)  # (B, hidden, 2h, 2w), then 4h, then 8h, then still 8h
        return self.classify(x)  # (B, K, 8h, 8w)
