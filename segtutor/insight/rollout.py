"""Attention through all layers: how much of each input patch may be in a token at the end.

Implements  : Abnar and Zuidema 2020, attention rollout and attention flow; SETR's supplement
              (figures 2 and 4) names their recursion for its attention maps
Taught in   : chapter 15, Reading the model, with what its critics say
Differs     : the paper takes the mean over heads; maximum and minimum, which others use to make
              maps sharper, are here for comparison. SETR does not say which heads, nor how the
              residual was weighted; half and half, as Abnar and Zuidema.

Attention alone says what one layer reads. But what it reads is already a mixture made by the layers
below, so the matrices are multiplied: R_l = (A_l + I)/2 . R_(l-1), R_0 = I, the identity standing
for the residual connection. What it leaves out: value vectors, norms and the MLPs. A weight in R
says how much could have come through, not how much mattered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from segtutor.insight.attention import attention_grid, patch_words, patches_for_half
from segtutor.insight.inside import finite

HEADS = {"mean": Tensor.mean, "max": Tensor.amax, "min": Tensor.amin}
FLOW_NODES = 400  # of L * T: beyond, flow in plain Python takes minutes for one token


def joined_heads(attention: Tensor, *, residual: bool = True, heads: str = "mean") -> Tensor:
    """One matrix a layer: (L, A, T, T) -> (L, T, T), rows sum to 1.

    residual: mix half of the identity in. heads: "mean", or "max" or "min" over heads (divided by
    the rows' sums again). Raises ValueError for other words, for attention that is not finite, and
    where "min" leaves a row empty.
    """
    if heads not in HEADS:
        raise ValueError(f"heads is {heads!r}, expected one of {', '.join(HEADS)}")
    if attention.ndim != 4 or attention.shape[-1] != attention.shape[-2]:
        raise ValueError(f"attention has shape {tuple(attention.shape)}, expected (L, A, T, T)")
    joined = HEADS[heads](finite(attention), 1)  # (L, T, T)
    sums = joined.sum(-1, keepdim=True)
    if (sums <= 0).any():
        raise ValueError(
            f"the {heads!r} over heads leaves a row without any weight: use heads='mean'"
        )
    joined = joined / sums
    if residual:
        joined = (joined + torch.eye(joined.shape[-1]).to(joined)) / 2
    return joined


def rollout_steps(attention: Tensor, *, residual: bool = True, heads: str = "mean") -> Tensor:
    """Rollout up to every layer, (L, T, T): [l, i, j] is the share of input token j in token i
    after layer l. Arguments as for `rollout`.
    """
    steps = []
    for matrix in joined_heads(attention, residual=residual, heads=heads):  # each (T, T)
        steps.append(matrix @ steps[-1] if steps else matrix)
    return torch.stack(steps)


def rollout(attention: Tensor, *, residual: bool = True, heads: str = "mean") -> Tensor:
    """Rollout through all layers: (L, A, T, T) of one image -> (T, T), rows sum to 1.

    residual: count the residual connection, as half of each layer. heads: "mean", "max" or "min".
    """
    return rollout_steps(attention, residual=residual, heads=heads)[-1]


def attention_flow(matrices: Tensor, target: int) -> Tensor:
    """The other measure of that paper: the largest flow from each input token to one output token,
    when a layer's weights are the widths of its pipes. For small examples only.

    matrices: (L, T, T), as `joined_heads` makes them, L*T at most 400. target: the output token.
    Returns (T,), each at most 1; they do not sum to 1, because every input has the pipes to itself.
    Rollout splits what arrives in fixed shares; flow may choose its way. Exact (Edmonds and Karp:
    augment along shortest paths). Each input needs a maximum flow of its own in a graph of
    (L + 1)*T nodes and L*T*T edges, which is why no one draws it for 12 layers of 197 tokens.
    """
    L, T, _ = matrices.shape
    if L * T > FLOW_NODES:
        raise ValueError(
            f"attention flow over {L} layers of {T} tokens is out of reach for exact computation "
            f"here (at most {FLOW_NODES} layers x tokens): use rollout"
        )
    if not 0 <= target < T:
        raise ValueError(f"there is no token {target}: there are {T}, 0..{T - 1}")
    return torch.tensor([_largest_flow(matrices, j, target) for j in range(T)])


def _largest_flow(matrices: Tensor, source: int, target: int) -> float:
    """From node (0, source) to node (L, target); token i after l layers is node l*T + i."""
    L, T, _ = matrices.shape
    room: list[dict[int, float]] = [{} for _ in range((L + 1) * T)]  # node -> node: what still fits
    for layer, matrix in enumerate(matrices.double().tolist()):
        for i, row in enumerate(matrix):
            for j, weight in enumerate(row):
                a, b = layer * T + j, (layer + 1) * T + i
                room[a][b], room[b][a] = weight, 0.0
    end, total = L * T + target, 0.0
    while True:
        came: dict[int, int] = {source: source}
        queue = deque([source])
        while queue and end not in came:
            node = queue.popleft()
            for other, left in room[node].items():
                if left > 1e-12 and other not in came:
                    came[other] = node
                    queue.append(other)
        if end not in came:
            return total
        path, node = [], end
        while node != source:
            path.append((came[node], node))
            node = came[node]
        amount = min(room[a][b] for a, b in path)
        for a, b in path:
            room[a][b] -= amount
            room[b][a] += amount
        total += amount


def rollout_figure(
    image: Tensor,
    attention: Tensor,
    grid: tuple[int, int],
    extra: int,
    patch: tuple[int, int],
    *,
    layers: Sequence[int] | None = None,
    width: float = 8.0,
) -> tuple[Figure, str]:
    """One patch's attention in some layers, and below, its rollout up to each of them. Returns the
    figure and its alternative text.

    image: (3, H, W). attention: (L, A, T, T). patch: (row, column) of the query. layers: from 0;
    None for four (all, of fewer) from the first to the last.
    """
    L, (h, w) = len(attention), grid
    if layers is None:
        layers = torch.linspace(0, L - 1, min(4, L)).round().int().tolist()
    if any(not 0 <= i < L for i in layers):
        raise ValueError(f"layers {tuple(layers)}: the model has {L}, counted 0..{L - 1}")
    if not (0 <= patch[0] < h and 0 <= patch[1] < w):
        raise ValueError(f"patch {patch} is outside the {h}x{w} grid")
    row = extra + patch[0] * w + patch[1]
    raw = joined_heads(attention, residual=False)[list(layers), row, extra:]
    rolled = rollout_steps(attention)[list(layers), row, extra:]
    maps = torch.stack([raw, rolled]).reshape(2, len(layers), h, w)
    names = [f"layer {i + 1}" for i in layers]
    figure = attention_grid(image, maps, ("attention", "rollout"), names, [patch], width=width)
    halves = [[patches_for_half(m) for m in line] for line in maps]
    alt = (
        f"Mean attention of {patch_words(patch)}, and its rollout, in "
        f"{', '.join(names)}. Patches that hold half of the weight, of {h * w}: attention "
        f"{', '.join(map(str, halves[0]))}; rollout {', '.join(map(str, halves[1]))}. The patch "
        f"itself keeps {100 * rolled[-1].reshape(h, w)[patch]:.0f} % of the last rollout."
    )
    return figure, alt
