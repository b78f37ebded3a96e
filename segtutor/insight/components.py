"""Connected pieces of one class in a label map: what stands in for "instances" without instance
labels.

Taught in   : chapter 15, Reading the model (small things that are missed)
Departs     : semantic labels know no instances. Two people side by side are one piece, one car
              behind a pole is two.

Pixels of a row with the same label are one run; runs of neighbouring rows that touch are joined, by
hooking the larger number of each touching pair to the smaller until nothing moves. No loop over
pixels, so a photograph takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def components(label: Tensor) -> Tensor:
    """Number the connected pieces of equal label: (H, W) -> (H, W) int64, 0, 1, ... in reading
    order. Neighbours are above, below, left and right.
    """
    if label.ndim != 2 or not label.numel():
        raise ValueError(f"the label map has shape {tuple(label.shape)}, expected (H, W)")
    H, W = label.shape
    starts = torch.ones(H, W, dtype=torch.bool)
    starts[:, 1:] = label[:, 1:] != label[:, :-1]
    runs = starts.flatten().cumsum(0).reshape(H, W) - 1  # (H, W), number of the run
    touching = label[1:] == label[:-1]  # (H - 1, W)
    pairs = torch.stack([runs[:-1][touching], runs[1:][touching]]).unique(dim=1)  # (2, pairs)
    parent = torch.arange(int(runs.max()) + 1)  # (runs,), each run its own piece
    while True:
        a, b = parent[pairs]
        apart = a != b
        if not apart.any():
            break
        small, large = torch.minimum(a, b)[apart], torch.maximum(a, b)[apart]
        parent = parent.scatter_reduce(0, large, small, "amin")
        while not torch.equal(parent, parent[parent]):
            parent = parent[parent]  # every run points straight to its piece's first run
    return torch.unique(parent, return_inverse=True)[1][runs]  # (H, W)


@dataclass(frozen=True)
class Piece:
    """A connected piece of class `label`: its pixels, its box (top, left, bottom, right; the last
    two excluded), and for each prediction the share of its pixels that got the right class.
    """

    label: int
    pixels: int
    box: tuple[int, int, int, int]
    found: tuple[float, ...]


def pieces(
    truth: Tensor,
    predictions: tuple[Tensor, ...] = (),
    *,
    smallest: int = 1,
    largest: int | None = None,
    ignore: int = 255,
) -> list[Piece]:
    """The connected pieces of a truth that have between `smallest` and `largest` pixels.

    truth: (H, W) class ids. predictions: (H, W) each.
    """
    numbers = components(truth).flatten()  # (pixels,)
    count = torch.bincount(numbers)  # (pieces,)
    H, W = truth.shape
    rows, columns = torch.arange(H).repeat_interleave(W), torch.arange(W).repeat(H)

    def extreme(values: Tensor, how: str) -> Tensor:
        out = torch.zeros(len(count), dtype=torch.int64)
        return out.scatter_reduce(0, numbers, values, how, include_self=False)  # (pieces,)

    label = extreme(truth.flatten().long(), "amax")
    top, left = extreme(rows, "amin"), extreme(columns, "amin")
    bottom, right = extreme(rows, "amax") + 1, extreme(columns, "amax") + 1
    hits = [
        torch.bincount(numbers, (p == truth).flatten().double(), len(count)) for p in predictions
    ]
    keep = (count >= smallest) & (label != ignore)
    keep &= count <= (H * W if largest is None else largest)
    return [
        Piece(
            int(label[i]),
            int(count[i]),
            (int(top[i]), int(left[i]), int(bottom[i]), int(right[i])),
            tuple(float(hit[i] / count[i]) for hit in hits),
        )
        for i in keep.nonzero().flatten().tolist()
    ]
