"""Segmenter's mask transformer: classes become tokens, and a mask is a scalar product.

Implements  : Segmenter section 3.2, "Mask Transformer", eq. (4)
Taught in   : chapter 09, Segmenter: linear decoder and mask transformer
Official    : - a Linear D -> d comes first, even where d = D; the class tokens stand after the
                patches, and neither side gets positions;
              - after the blocks and a LayerNorm, patches and classes each pass one more d x d
                matrix (multiplied from the right, no bias), then both are divided by their length.
                The paper's eq. (4) shows the product alone and mentions L2 only for the patches;
              - a LayerNorm over the K scores of each patch comes before the jump to pixels. In the
                paper the order is: product, upsample, softmax, layer norm. `class_norm=False`
                leaves it out, which chapter 09 measures: scores are then cosines within -1..1;
              - dropout 0.1 in these blocks, against none in the paper; LayerNorm eps 1e-5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segtutor.tokens import Block, Encoded, tokens_to_grid
from segtutor.tokens.encoder import initialise


class MaskTransformer(nn.Module):
    """M blocks over patch and class tokens together, then patch . class for every pair.

    encoder_width: D. classes: K. width: d, D if None. depth: M. heads: d/64 if None. drop_path:
    rate of the last block, rising linearly from 0. class_norm: LayerNorm over the K scores.
    forward: Encoded -> coarse scores (B, K, h, w).
    """

    layers: tuple[int, ...] = ()  # it reads the encoder's last output only

    def __init__(
        self,
        *,
        encoder_width: int,
        classes: int,
        width: int | None = None,
        depth: int = 2,
        heads: int | None = None,
        dropout: float = 0.1,
        drop_path: float = 0.0,
        norm_eps: float = 1e-5,
        class_norm: bool = True,
    ):
        super().__init__()
        d = encoder_width if width is None else width
        if heads is None and d % 64:
            raise ValueError(
                f"the mask transformer is {d} wide, which heads of 64 do not divide: "
                "give the number of heads"
            )
        heads = d // 64 if heads is None else heads
        self.enter = nn.Linear(encoder_width, d)
        self.classes = nn.Parameter(torch.zeros(1, classes, d))
        self.blocks = nn.ModuleList(
            Block(
                width=d,
                heads=heads,
                dropout=dropout,
                drop_path=drop_path * i / max(depth - 1, 1),
                norm_eps=norm_eps,
            )
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(d, eps=norm_eps)
        self.patch_matrix = nn.Parameter(d**-0.5 * torch.randn(d, d))
        self.class_matrix = nn.Parameter(d**-0.5 * torch.randn(d, d))
        self.cosines = nn.Identity()  # a window for `capture`: the scores before their norm
        self.class_norm = nn.LayerNorm(classes, eps=norm_eps) if class_norm else None
        self.apply(initialise)
        nn.init.normal_(self.classes, std=0.02)

    def forward(self, encoded: Encoded) -> Tensor:
        x = self.enter(encoded.patches())  # (B, N, d)
        B, N, _ = x.shape
        x = torch.cat([x, self.classes.expand(B, -1, -1)], dim=1)  # (B, N + K, d)
        for block in self.blocks:
            x = block(x)  # (B, N + K, d)
        x = self.norm(x)
        patches = unit(x[:, :N] @ self.patch_matrix)  # (B, N, d), each of length one
        classes = unit(x[:, N:] @ self.class_matrix)  # (B, K, d), each of length one
        scores = self.cosines(patches @ classes.transpose(1, 2))  # (B, N, K)
        if self.class_norm is not None:
            scores = self.class_norm(scores)  # (B, N, K), over the classes of one patch
        return tokens_to_grid(scores, encoded.grid)  # (B, K, h, w)


def unit(x: Tensor) -> Tensor:
    """Vectors divided by their length, (..., d) -> (..., d); a plain division, as officially."""
    return x / x.norm(dim=-1, keepdim=True)
