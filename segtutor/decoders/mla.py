"""SETR-MLA: four depths of the encoder, summed from the top down, then read side by side.

Implements  : SETR section 3.3 (3), "Multi-Level feature Aggregation", figure 1 (c)
Taught in   : chapter 07, Multi-level aggregation: SETR-MLA
Official    : two parts. `MLAFusion` stands in the backbone (so it trains at the backbone's learning
              rate): LayerNorm per level (eps 1e-6), 1x1 convolution to 256, sums that start at the
              deepest level and are cumulative, then a 3x3 convolution on every sum, also on the
              deepest, where nothing was added. `MLADecoder` is the head: per level two 3x3
              convolutions and x4, then the levels are joined and a 3x3 convolution classifies.
              - widths: the paper halves the channels at the first and third layer of a stream; the
                code goes 1024 -> 256, 256 -> 256, 256 -> 128 -> 128. `hidden` and `head_hidden`.
              - x4 uses align_corners=True, the final jump False, as nowhere else in either
                repository. `align_corners=False` makes both alike.
              - the auxiliary heads read the fused maps, not the encoder (see auxiliary.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segtutor.decoders.stage import ConvStage
from segtutor.tokens import Encoded, tokens_to_grid


def mla_layers(depth: int, levels: int = 4) -> tuple[int, ...]:
    """Which blocks (0-based) MLA reads: the last of each of `levels` equal parts of the encoder.

    24 blocks give 5, 11, 17, 23: the paper's Z6, Z12, Z18, Z24.
    """
    if levels < 1 or depth % levels:
        raise ValueError(
            f"an encoder of depth {depth} does not divide into {levels} equal levels: "
            "choose another depth, or name the blocks to read (`taps` of ModelConfig)"
        )
    step = depth // levels
    return tuple(range(step - 1, depth, step))


class MLAFusion(nn.Module):
    """Four token sequences -> four feature maps, each one knowing what the deeper ones know.

    width: D. layers: the blocks to read, shallow to deep. hidden: channels of the maps.
    forward: Encoded -> tuple of (B, hidden, h, w), shallow to deep (the official p2..p5).
    """

    def __init__(
        self, *, width: int, layers: tuple[int, ...], hidden: int = 256, norm_eps: float = 1e-6
    ):
        super().__init__()
        if not layers or list(layers) != sorted(set(layers)):
            raise ValueError(
                f"MLA reads blocks {tuple(layers)}, expected one or more, each once, shallow to "
                "deep"
            )
        self.layers = tuple(layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=norm_eps) for _ in layers)
        self.reduce = nn.ModuleList(
            ConvStage(width_in=width, width_out=hidden, kernel=1, bias=False) for _ in layers
        )
        self.smooth = nn.ModuleList(
            ConvStage(width_in=hidden, width_out=hidden, bias=False) for _ in layers
        )

    def forward(self, encoded: Encoded) -> tuple[Tensor, ...]:
        maps, above = [], 0.0
        for i in reversed(range(len(self.layers))):  # deepest first
            x = self.norms[i](encoded.patches(self.layers[i]))  # (B, N, D)
            x = self.reduce[i](tokens_to_grid(x, encoded.grid))  # (B, hidden, h, w)
            above = x + above  # this level and everything deeper
            maps.append(self.smooth[i](above))  # (B, hidden, h, w)
        return tuple(reversed(maps))


class MLADecoder(nn.Module):
    """Per level: 3x3 conv, 3x3 conv, x4. Join all levels. One 3x3 convolution to K scores.

    width: channels of the fused maps. classes: K. levels: how many maps. hidden: channels of each
    stream. scale: how much each stream grows. forward: tuple of `levels` maps (B, width, h, w) ->
    coarse scores (B, K, scale*h, scale*w).
    """

    layers: tuple[int, ...] = ()  # it reads what MLAFusion returns, nothing of the encoder

    def __init__(
        self,
        *,
        width: int,
        classes: int,
        levels: int = 4,
        hidden: int = 128,
        scale: int = 4,
        align_corners: bool = True,
    ):
        super().__init__()
        first = dict(width_in=width, width_out=hidden, bias=False)
        second = dict(width_in=hidden, width_out=hidden, bias=False)
        grow = dict(scale=scale, align_corners=align_corners)
        self.streams = nn.ModuleList(
            nn.Sequential(ConvStage(**first), ConvStage(**second, **grow)) for _ in range(levels)
        )
        self.joined = nn.Identity()  # a window for `capture`
        self.classify = nn.Conv2d(levels * hidden, classes, kernel_size=3, padding=1)

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        if len(maps) != len(self.streams):
            raise ValueError(f"{len(maps)} maps for a decoder of {len(self.streams)} levels")
        grown = [stream(x) for stream, x in zip(self.streams, maps, strict=True)]
        x = self.joined(torch.cat(grown, dim=1))  # (B, levels*hidden, 4h, 4w), shallow level first
        return self.classify(x)  # (B, K, 4h, 4w)
