"""The Vision Transformer encoder that both papers put before their decoders.

Implements  : SETR section 3.2 and table 2; Segmenter section 3.1 and table 1
Taught in   : chapter 03, The encoder and its pretrained weights
Official    : key names and numbers follow timm, whose weights both repositories load.
              - class token: neither paper draws it; Segmenter and SETR-Naive/PUP carry it through
                all blocks and drop it before the decoder; SETR-MLA drops it before the first block
                (`extra_tokens=()` here, since patch tokens then never see it).
              - last norm: Segmenter applies it (`final_norm=True`); SETR leaves it out and gives
                each head its own.
              - LayerNorm eps: 1e-6 in timm and SETR, 1e-5 in Segmenter although its weights were
                trained with 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from segtutor.tokens.block import Block
from segtutor.tokens.patch import Grid, PatchEmbed, grid_of
from segtutor.tokens.position import PositionEmbed

# name -> width D, depth L, heads A (d = D/A is 64 everywhere). SETR table 2, Segmenter table 1.
SIZES = {
    "tiny": (192, 12, 3),
    "small": (384, 12, 6),
    "base": (768, 12, 12),  # SETR's "T-Small"; its repository says "Base"
    "large": (1024, 24, 16),  # SETR's "T-Large"
}
PAPER_NAMES = {
    "T-Small": "base",
    "T-Large": "large",
    "Ti": "tiny",
    "S": "small",
    "B": "base",
    "L": "large",
}


@dataclass
class Encoded:
    """What the encoder hands to a decoder.

    tokens: (B, E + N, D), the last layer's output, after the final norm if the encoder has one.
    grid: (h, w) with N = h*w. extra: E, the leading tokens that are not patches. layers: block
    index (0-based) -> (B, E + N, D) output of that block, no norm; only the blocks asked for.
    """

    tokens: Tensor
    grid: Grid
    extra: int
    layers: dict[int, Tensor] = field(default_factory=dict)

    def patches(self, layer: int | None = None) -> Tensor:
        """Patch tokens only, (B, N, D): of the last output, or of one block that was asked for."""
        tokens = self.tokens if layer is None else self.layers[layer]
        return tokens[:, self.extra :]


class Encoder(nn.Module):
    """Patch embedding, positions, L blocks, and a last norm if wanted.

    width D, depth L, heads A, patch P; image: (H, W) pixels for which positions are stored (other
    sizes are interpolated at run time, `mode` says how); extra_tokens: any of "cls", "dist", in
    this order; final_norm; norm_eps of every LayerNorm; dropout inside the blocks and after the
    positions; drop_path: rate of the last block, rising linearly from 0 at the first.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        patch: int = 16,
        image: tuple[int, int] = (224, 224),
        extra_tokens: tuple[str, ...] = ("cls",),
        final_norm: bool = True,
        norm_eps: float = 1e-6,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        mode: str = "bilinear",
        channels: int = 3,
    ):
        super().__init__()
        if tuple(extra_tokens) not in ((), ("cls",), ("cls", "dist")):
            raise ValueError(
                f"extra_tokens is {extra_tokens!r}, expected (), ('cls',) or ('cls', 'dist')"
            )
        self.width, self.depth, self.extra, self.dropout = width, depth, len(extra_tokens), dropout
        self.patch_embed = PatchEmbed(patch=patch, width=width, channels=channels)
        for name in extra_tokens:  # cls_token, dist_token: (1, 1, D)
            setattr(self, f"{name}_token", nn.Parameter(torch.zeros(1, 1, width)))
        self.extra_tokens = tuple(extra_tokens)
        grid = grid_of(*image, patch)
        self.pos_embed = PositionEmbed(width=width, grid=grid, extra=self.extra, mode=mode)
        rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]
        self.blocks = nn.ModuleList(
            Block(width=width, heads=heads, dropout=dropout, drop_path=rate, norm_eps=norm_eps)
            for rate in rates
        )
        self.norm = nn.LayerNorm(width, eps=norm_eps) if final_norm else None
        self.checkpointing = False  # True: forget activations inside blocks, compute them twice
        self.apply(initialise)
        for name in extra_tokens:
            nn.init.normal_(getattr(self, f"{name}_token"), std=0.02)
        # timm keeps the position table under the bare key `pos_embed`; so do our files.
        self._register_state_dict_hook(_table_to_timm)
        self._register_load_state_dict_pre_hook(_table_from_timm)

    @property
    def patch(self) -> int:
        return self.patch_embed.patch

    def freeze(self, blocks: int) -> None:
        """Leave patch embedding, positions, extra tokens and the first `blocks` blocks as they are.

        No gradient is computed for them, which saves their part of the backward pass: two thirds
        of the time that these blocks would take. Only sensible with pretrained weights.
        """
        if not 0 <= blocks <= self.depth:
            raise ValueError(f"cannot freeze {blocks} of {self.depth} blocks")
        below = [self.patch_embed, self.pos_embed, *self.blocks[:blocks]] if blocks else []
        tokens = [getattr(self, f"{name}_token") for name in self.extra_tokens] if blocks else []
        for parameter in [*tokens, *(p for module in below for p in module.parameters())]:
            parameter.requires_grad_(False)

    def forward(
        self, images: Tensor, *, layers: Iterable[int] | str = (), mask: Tensor | None = None
    ) -> Encoded:
        """images: (B, C, H, W), normalised, sides multiples of P. layers: which blocks' outputs to
        keep, or "all".

        mask: optional (T, T) booleans for every block, see `attention.window_mask`.
        """
        wanted = set(range(self.depth)) if layers == "all" else set(layers)
        if wanted and not wanted <= set(range(self.depth)):
            raise ValueError(
                f"layers {sorted(wanted)}: this encoder has blocks 0..{self.depth - 1}"
            )
        x, grid = self.patch_embed(images)  # (B, N, D)
        first = [getattr(self, f"{n}_token").expand(len(x), -1, -1) for n in self.extra_tokens]
        x = torch.cat([*first, x], dim=1)  # (B, E + N, D)
        x = F.dropout(self.pos_embed(x, grid), self.dropout, self.training)  # (B, E + N, D)
        kept = {}
        for i, block in enumerate(self.blocks):
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, mask, use_reentrant=False)  # (B, E + N, D)
            else:
                x = block(x, mask)  # (B, E + N, D)
            if i in wanted:
                kept[i] = x
        x = self.norm(x) if self.norm is not None else x  # (B, E + N, D)
        return Encoded(tokens=x, grid=grid, extra=self.extra, layers=kept)


def _table_to_timm(module, state_dict, prefix, local_metadata):
    state_dict[f"{prefix}pos_embed"] = state_dict.pop(f"{prefix}pos_embed.table")


def _table_from_timm(state_dict, prefix, *_):
    if f"{prefix}pos_embed" in state_dict:
        state_dict[f"{prefix}pos_embed.table"] = state_dict.pop(f"{prefix}pos_embed")


def initialise(module: nn.Module) -> None:
    """Both repositories' start for new layers: Linear weights N(0, 0.02), biases 0; LayerNorm 1
    and 0.

    Convolutions keep PyTorch's default. (timm's "truncated" normal cuts at +-2 absolute, i.e.
    never.)
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def dims_of(size: str | tuple[int, int, int]) -> tuple[int, int, int]:
    """(width, depth, heads) of "tiny", "small", "base", "large", of a paper's own name such as
    "T-Large", or of such a triple itself. Raises ValueError with the known names.
    """
    if not isinstance(size, str):
        return tuple(size)
    name = PAPER_NAMES.get(size, size)
    if name not in SIZES:
        known = ", ".join([*SIZES, *PAPER_NAMES])
        raise ValueError(f"unknown encoder size {size!r}; known: {known}")
    return SIZES[name]


def build_encoder(size: str | tuple[int, int, int] = "tiny", **options) -> Encoder:
    """An encoder by the name of its size, see `dims_of`.

    options are those of `Encoder` (patch, image, extra_tokens, ...).
    """
    width, depth, heads = dims_of(size)
    return Encoder(width=width, depth=depth, heads=heads, **options)
