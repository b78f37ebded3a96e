"""Segmenter's baseline decoder: one linear map from each patch token to K class scores.

Implements  : Segmenter section 3.2, "Linear"
Taught in   : chapter 00 uses it; chapter 09 takes it apart
Official    : nothing but the Linear layer; the encoder's last LayerNorm has been applied already.
"""

from __future__ import annotations

from torch import Tensor, nn

from segtutor.tokens import Encoded, tokens_to_grid
from segtutor.tokens.encoder import initialise


class LinearDecoder(nn.Module):
    """width: D of the encoder. classes: K. forward: Encoded -> coarse scores (B, K, h, w)."""

    layers: tuple[int, ...] = ()  # it reads the encoder's last output only

    def __init__(self, *, width: int, classes: int):
        super().__init__()
        self.head = nn.Linear(width, classes)
        self.apply(initialise)

    def forward(self, encoded: Encoded) -> Tensor:
        scores = self.head(encoded.patches())  # (B, N, K)
        return tokens_to_grid(scores, encoded.grid)  # (B, K, h, w)
