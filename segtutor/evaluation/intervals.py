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
    scores = _scores((hit, union), groups, resamples, seed)  # (1 + R,)
    return _interval(scores, level)


def bootstrap_difference(
    first: tuple[Tensor, Tensor],
    second: tuple[Tensor, Tensor],
    *,
    groups: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of mIoU(first) - mIoU(second), two answers to the same images in the same order.

    first, second: (hit, union), see `bootstrap_miou`. Every draw takes the same images for both, so
    that hard images do not blur the difference.
    """
    if first[0].shape != second[0].shape:
        raise ValueError(
            f"the first answers have shape {tuple(first[0].shape)}, the second "
            f"{tuple(second[0].shape)}: both must be of the same images and classes"
        )
    scores = [_scores(pair, groups, resamples, seed) for pair in (first, second)]  # (1 + R,) each
    return _interval(scores[0] - scores[1], level)


def _scores(
    pair: tuple[Tensor, Tensor], groups: Sequence[Hashable] | None, resamples: int, seed: int
) -> Tensor:
    """mIoU of all images, then of every draw, (1 + R,)."""
    hit, union = (t.double() for t in pair)
    if hit.shape != union.shape or hit.ndim != 2:
        raise ValueError(
            f"hit has shape {tuple(hit.shape)}, union {tuple(union.shape)}: expected (n, K) both"
        )
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}, expected 1 or more")
    whole = miou_of(hit.sum(0), union.sum(0))  # ()
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
    return torch.cat([whole[None], miou_of(times @ hit, times @ union)])  # (1 + R,)


def _interval(scores: Tensor, level: float) -> Interval:
    """scores: (1 + R,), the first of all images."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected 0 to 1")
    value, draws = float(scores[0]), scores[1:]
    draws = draws[~draws.isnan()]
    if not len(draws):
        raise ValueError("no pixel of any image counts: are all labels 'ignore'?")
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = draws.quantile(ends).tolist()
    return Interval(value, low, high, level)
