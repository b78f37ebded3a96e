"""How many photographs a second can be read, and made ready for training?

Taught in   : chapter 11; chapter 13 (a GPU that waits for its data learns nothing)

segtutor data time NAME

Two rates for each number of worker processes: reading only (decode photograph and labels, check
them), and the whole way to a training batch (the official pipeline). The network must be slower
than the second, or it waits. The first batch is not counted: it holds the start of the processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import nn

from segtutor.data.dataset import Sample, SegmentationData
from segtutor.data.loading import batches
from segtutor.data.manycores import cores
from segtutor.data.pipeline import TrainingPipeline
from segtutor.data.resize import BASES, CROPS
from segtutor.data.transforms import NORMALISATIONS

BATCH = 4


class Rates(NamedTuple):
    """workers: processes, 0 = in this one. read, ready: images a second."""

    workers: int
    read: float
    ready: float


class _Reading(torch.utils.data.Dataset):
    def __init__(self, data: SegmentationData, count: int):
        self.data, self.count = data, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        return self.data[index % len(self.data)]


def official_pipeline(name: str, size: tuple[int, int]) -> TrainingPipeline:
    """The training pipeline that Segmenter uses on data set `name`; for others, one that crops
    192 x 192 pixels of photographs of `size` (H, W).
    """
    name = name.removesuffix("_59")
    return TrainingPipeline(
        base=BASES.get(("segmenter", name), (max(size), min(size))),
        crop=CROPS.get(name, (192, 192)),
        normalisation=next(iter(NORMALISATIONS)),
    )


def decode_cost(
    data: SegmentationData,
    transform: nn.Module,
    *,
    workers: Sequence[int] = (),
    count: int = 64,
) -> list[Rates]:
    """Measure. transform: joint augmentation, as for `batches`. workers: which numbers to try
    (default: none, one, all cores). count: images per measurement. ValueError for too few.
    """
    if count < 2 * BATCH:
        raise ValueError(f"count is {count}, expected at least {2 * BATCH} images to measure")
    steps = count // BATCH
    found = []
    for number in workers or sorted({0, 1, cores()}):
        reading = torch.utils.data.DataLoader(
            _Reading(data, steps * BATCH),
            batch_size=BATCH,
            num_workers=number,
            collate_fn=len,  # pictures of any size; nothing is copied
        )
        ready = batches(
            data,
            batch=BATCH,
            steps=steps,
            transform=transform,
            normalisation=next(iter(NORMALISATIONS)),
            workers=number,
        )
        found.append(Rates(number, _rate(reading), _rate(ready)))
    return found


def _rate(stream: Iterable) -> float:
    """Images a second from the first batch on."""
    began, seen = None, 0
    for _ in stream:
        if began is None:
            began = time.perf_counter()
        else:
            seen += BATCH
    return seen / (time.perf_counter() - began)


def as_table(rates: Sequence[Rates]) -> str:
    """The rates as text."""
    lines = ["workers   read images/s   ready for training images/s"]
    lines += [f"{r.workers:7d}   {r.read:13.1f}   {r.ready:27.1f}" for r in rates]
    return "\n".join(lines)
