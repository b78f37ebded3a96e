"""How sure is an mIoU? A bootstrap interval over the images it was measured on.

Implements  : the percentile bootstrap (Efron 1979); neither paper gives intervals
Taught in   : chapter 12, Measuring: mIoU without traps

Draw as many images as there are, with replacement, add up their counts, read off the mIoU; a
thousand times. The interval says how much the number hangs on *which images* happened to be in the
test set. It says nothing of training anew with another seed, and two models are compared on the
same draws, not by whether their intervals overlap.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Interval(NamedTuple):
    """value: of all images. low, high: ends of the interval. level: e.g. 0.95."""

    value: float
    low: float
    high: float
    level: float


def miou_of(hit: Tensor, union: Tensor) -> Tensor:
    """(..., K) summed intersections and unions -> (...) mIoU; classes with an empty union do not
    count.
    """
    return (hit / union).nanmean(-1)


def bootstrap_miou(
    hit: Tensor,
    union: Tensor,
    *,
    groups: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of the mIoU over images.

    hit, union: (n, K) intersections and unions of each image, in pixels. groups: one mark an image,
    e.g. the drive a frame comes from: then whole groups are drawn, because frames of one video
    resemble each other and count for less than as many strangers. Raises ValueError when there are
    fewer than two things to draw from.
    """
    hit, union = hit.double(), union.double()
    if hit.shape != union.shape or hit.ndim != 2:
        raise ValueError(
            f"hit has shape {tuple(hit.shape)}, union {tuple(union.shape)}: expected (n, K) both"
        )
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level is {level} (expected 0 to 1), resamples {resamples} (1 or more)")
    value = float(miou_of(hit.sum(0), union.sum(0)))
    if groups is not None:
        if len(groups) != len(hit):
            raise ValueError(f"{len(groups)} group marks for {len(hit)} images")
        marks = {mark: i for i, mark in enumerate(dict.fromkeys(groups))}
        member = torch.zeros(len(marks), len(hit), dtype=torch.float64)
        member[torch.tensor([marks[g] for g in groups]), torch.arange(len(hit))] = 1
        hit, union = member @ hit, member @ union  # (groups, K)
    n = len(hit)
    if n < 2:
        raise ValueError(
            f"an interval over images needs at least two of them to draw from, here is {n}"
        )
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n, (resamples, n), generator=generator)  # (R, n)
    times = torch.zeros(resamples, n, dtype=torch.float64)
    times.scatter_add_(1, drawn, torch.ones_like(times))  # how often each was drawn, (R, n)
    scores = miou_of(times @ hit, times @ union)  # (R,)
    scores = scores[~scores.isnan()]
    if not len(scores):
        raise ValueError("no pixel of any image counts: are all labels 'ignore'?")
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = scores.quantile(ends).tolist()
    return Interval(value, low, high, level)
