"""One transformer layer: attention mixes tokens, the MLP works on each token alone.

Implements  : Segmenter eqs. (1)-(2); SETR eq. (3) with the layer norms its text mentions
Taught in   : chapter 03, The encoder and its pretrained weights
Official    : pre-norm, exact (erf) GELU, MLP four times as wide, no layer scale. Stochastic depth:
              per sample, kept branches divided by the probability of being kept.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from segtutor.tokens.attention import SelfAttention


class Mlp(nn.Module):
    """Linear, GELU, Linear, on each token by itself. forward: (B, T, D) -> (B, T, D).

    The hidden layer is four times as wide as the tokens, so a backward pass that keeps it before
    *and* after GELU spends half of a block's memory on it. GELU is cheap: what comes out of it is
    forgotten and made again on the way back. A quarter of the memory for a hundredth of the time.
    """

    def __init__(self, *, width: int, hidden: int, dropout: float = 0.0):
        super().__init__()
        self.dropout = dropout
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)  # (B, T, hidden)
        if x.requires_grad and torch.is_grad_enabled():
            x = checkpoint(self.second, x, use_reentrant=False)  # (B, T, D)
        else:
            x = self.second(x)  # (B, T, D)
        return F.dropout(x, self.dropout, self.training)  # (B, T, D)

    def second(self, x: Tensor) -> Tensor:
        """What follows the first Linear. (B, T, hidden) -> (B, T, D)."""
        return self.fc2(F.dropout(F.gelu(x), self.dropout, self.training))


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): skip a residual branch for a random part of the batch.

    rate: probability that a sample loses the branch, 0 <= rate < 1. Active in training only; the
    branches that stay are divided by 1 - rate, so the expected output is the same. forward: any
    shape with B first.
    """

    def __init__(self, rate: float):
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"drop path rate is {rate}, expected 0 <= rate < 1")
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return branch
        keep = 1.0 - self.rate
        shape = (branch.shape[0],) + (1,) * (branch.ndim - 1)  # (B, 1, ..., 1)
        kept = torch.empty(shape, dtype=branch.dtype, device=branch.device).bernoulli_(keep)
        return branch * kept / keep


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)).

    width D, heads A, norm_eps: the papers disagree (SETR 1e-6, Segmenter 1e-5).
    forward: (B, T, D) -> (B, T, D). Key names are timm's (`norm1, attn, norm2, mlp`).
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        norm_eps: float = 1e-6,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=norm_eps)
        self.attn = SelfAttention(width=width, heads=heads, dropout=dropout)
        self.norm2 = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = Mlp(width=width, hidden=int(mlp_ratio * width), dropout=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), mask))  # (B, T, D)
        return x + self.drop_path(self.mlp(self.norm2(x)))  # (B, T, D)
