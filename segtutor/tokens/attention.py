"""Multi-head self-attention, once explicitly and once fused.

Implements  : SETR eqs. (1)-(2); Segmenter eq. (3); Vaswani et al. 2017 for the heads
Taught in   : chapter 02, Attention from scratch
Official    : one Linear D -> 3D whose rows are [q; k; v], heads contiguous inside each; scale
              d^-0.5; a Linear after the heads are joined. SETR's eq. (2) puts the residual inside
              each head, where the shapes do not fit; in code it stands once, around the whole
              layer (see block.py). We follow the code.

The explicit path is the one to read, and the one `insight.capture` looks at; the fused path
computes the same numbers without ever storing the (T, T) matrix. `capture` switches `fused` off
while it looks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.tokens.patch import Grid


class SelfAttention(nn.Module):
    """Every token asks all tokens a question, and takes home a weighted mean of their values.

    width: D. heads: A, must divide D; each head works in d = D/A dimensions. dropout: on the
    attention weights and on the output. forward: (B, T, D) -> (B, T, D). mask: optional (T, T)
    booleans, True where row may look at column. Key names are timm's (`qkv`, `proj`).
    """

    def __init__(self, *, width: int, heads: int, dropout: float = 0.0, fused: bool = True):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads, self.dropout, self.fused = heads, dropout, fused
        self.qkv = nn.Linear(width, 3 * width)
        self.weights = (
            nn.Identity()
        )  # a window for `capture`: the attention weights pass through here
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        B, T, D = x.shape
        A, d = self.heads, D // self.heads
        qkv = self.qkv(x).reshape(B, T, 3, A, d)  # (B, T, 3, A, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, A, T, d)
        p = self.dropout if self.training else 0.0
        if self.fused:
            out = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, dropout_p=p
            )  # (B, A, T, d)
        else:
            scores = (q * d**-0.5) @ k.transpose(-2, -1)  # (B, A, T, T)
            if mask is not None:
                scores = scores.masked_fill(~mask, float("-inf"))  # (B, A, T, T)
            weights = self.weights(scores.softmax(dim=-1))  # (B, A, T, T), rows sum to 1
            out = F.dropout(weights, p) @ v  # (B, A, T, d)
        out = out.transpose(1, 2).reshape(B, T, D)  # (B, T, D), heads side by side
        return F.dropout(self.proj(out), p)  # (B, T, D)


def window_mask(grid: Grid, reach: int, *, extra: int = 0) -> Tensor:
    """Who may look at whom when attention is cut to a square window.

    Patch (r, c) sees patch (r', c') if |r - r'| <= reach and |c - c'| <= reach. Extra tokens see
    and are seen by all. Returns (T, T) booleans with T = extra + h*w. For experiments; no model of
    the papers uses it.
    """
    h, w = grid
    rows = torch.arange(h).repeat_interleave(w)  # (N,)
    cols = torch.arange(w).repeat(h)  # (N,)
    near = (rows[:, None] - rows).abs() <= reach  # (N, N)
    near &= (cols[:, None] - cols).abs() <= reach
    mask = torch.ones(extra + h * w, extra + h * w, dtype=torch.bool)
    mask[extra:, extra:] = near
    return mask
