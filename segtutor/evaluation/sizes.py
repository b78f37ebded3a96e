"""IoU by object size: small, medium and large classes.

Implements  : Segmenter table 4
Taught in   : chapter 12 (what one number hides), chapter 10 (what small patches win)
The paper   : has columns "Small", "Medium", "Large" and says nothing about how they came about, and
              the repository holds no code for them. In every row the mean of the three columns is
              the overall mIoU, to the last printed digit but one rounding. That can hardly happen
              unless the 150 *classes* were cut into three groups of 50 by the size of their
              objects; were the *pixels* sorted by object size, the columns would not average so.
Ours        : so we group classes. The paper leaves open what the size of a class is. We take the
              share of the labelled pixels that a class covers in an image, averaged over the images
              in which it occurs: label maps do not tell where one of two touching objects ends.
              Groups are made from the data set that is tested.
"""

from __future__ import annotations

import torch
from torch import Tensor

GROUPS = ("small", "medium", "large")
DEFINITION = (
    "Size of a class: the share of the labelled pixels it covers in an image, averaged over the "
    "images it occurs in; the classes of these data in three groups of equal number."
)


def class_sizes(true: Tensor) -> Tensor:
    """Mean share of an image that each class covers where it occurs, (K,) float64 in 0..1; nan for
    a class that never occurs.

    true: (n, K) labelled pixels of each class in each image.
    """
    true = true.double()
    share = true / true.sum(1, keepdim=True).clamp(min=1)  # (n, K)
    return share.sum(0) / (true > 0).sum(0)  # (K,)


def size_groups(sizes: Tensor) -> dict[str, list[int]]:
    """Class ids in three groups of equal number, from small to large; where K cannot be divided,
    the smaller groups come out one larger.

    sizes: (K,), see `class_sizes`; classes with nan are left out.
    """
    known = [k for k in range(len(sizes)) if not torch.isnan(sizes[k])]
    if len(known) < len(GROUPS):
        raise ValueError(
            f"{len(known)} classes occur in these labels; groups by size need at least 3"
        )
    order = sorted(known, key=lambda k: float(sizes[k]))
    whole, rest = divmod(len(order), len(GROUPS))
    groups, start = {}, 0
    for i, name in enumerate(GROUPS):
        stop = start + whole + (i < rest)
        groups[name], start = sorted(order[start:stop]), stop
    return groups


def iou_by_size(iou: Tensor, groups: dict[str, list[int]]) -> dict[str, float]:
    """Mean IoU of each group, fractions of 1. iou: (K,), nan for classes that do not count."""
    return {name: float(iou[ids].nanmean()) for name, ids in groups.items()}
