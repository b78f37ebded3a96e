"""Auxiliary heads: small decoders on earlier layers, used in training only.

Implements  : SETR section 3.3, last paragraph, and section 4.1 ("auxiliary loss")
Taught in   : chapter 08, Auxiliary losses and the hybrid encoder
Official    : every head has its own cross-entropy with weight 0.4.
              - Naive: the same two 1x1 convolutions as its decoder: `NaiveDecoder(layer=...)`.
              - PUP: LayerNorm, one 3x3 convolution, x4, then the classifier: `pup_auxiliary`.
              - MLA: the paper puts the heads on Z6, Z12, Z18, Z24; in the code each is one 1x1
                convolution without bias on a fused map, after sums and 3x3: `MapAuxiliary`.
              The paper calls them two-layer networks; that holds for Naive and PUP.
"""

from __future__ import annotations

from torch import Tensor, nn

from segtutor.decoders.pup import PUPDecoder

# (decoder, depth) -> blocks read, 0-based. The paper: Z10, Z15, Z20 (PUP also Z24) for T-Large; for
# 12 blocks only the configurations say: Base and DeiT of Naive, DeiT of PUP (no PUP-Base exists,
# so ours takes DeiT's).
AUX_LAYERS = {
    ("naive", 24): (9, 14, 19),
    ("naive", 12): (2, 5, 8),
    ("pup", 24): (9, 14, 19, 23),
    ("pup", 12): (4, 7, 9, 11),
    ("mla", 24): (0, 1, 2, 3),  # numbers of fused maps, not of blocks
    ("mla", 12): (0, 1, 2, 3),
}


def pup_auxiliary(
    *, width: int, classes: int, layer: int, hidden: int = 256, norm_eps: float = 1e-6
) -> PUPDecoder:
    """PUP's auxiliary head: its decoder with a single stage that grows by four.

    forward: Encoded -> (B, K, 4h, 4w) from block `layer`.
    """
    return PUPDecoder(
        width=width, classes=classes, hidden=hidden, scales=(4,), layer=layer, norm_eps=norm_eps
    )


class MapAuxiliary(nn.Module):
    """MLA's auxiliary head: one 1x1 convolution without bias on one fused map.

    width: channels of the map. classes: K. level: which map, 0 the shallowest.
    forward: tuple of maps (B, width, h, w) -> coarse scores (B, K, h, w).
    """

    layers: tuple[int, ...] = ()

    def __init__(self, *, width: int, classes: int, level: int):
        super().__init__()
        self.level = level
        self.classify = nn.Conv2d(width, classes, kernel_size=1, bias=False)

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        return self.classify(maps[self.level])  # (B, K, h, w)
