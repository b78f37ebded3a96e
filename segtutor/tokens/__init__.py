"""Room 1: image -> sequence -> encoder (chapters 01-04, 08 for the hybrid)."""

from segtutor.tokens.attention import SelfAttention, window_mask
from segtutor.tokens.block import Block, DropPath, Mlp
from segtutor.tokens.encoder import SIZES, Encoded, Encoder, build_encoder, dims_of
from segtutor.tokens.hybrid import HybridEmbed, HybridEncoder
from segtutor.tokens.patch import (
    PatchEmbed,
    embed_by_unfold,
    grid_of,
    grid_to_tokens,
    patchify,
    tokens_to_grid,
    unpatchify,
)
from segtutor.tokens.position import PositionEmbed, resize_positions

__all__ = [
    "SIZES",
    "Block",
    "DropPath",
    "Encoded",
    "Encoder",
    "HybridEmbed",
    "HybridEncoder",
    "Mlp",
    "PatchEmbed",
    "PositionEmbed",
    "SelfAttention",
    "build_encoder",
    "dims_of",
    "embed_by_unfold",
    "grid_of",
    "grid_to_tokens",
    "patchify",
    "resize_positions",
    "tokens_to_grid",
    "unpatchify",
    "window_mask",
]
