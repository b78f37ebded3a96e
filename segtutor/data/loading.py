"""Batches for training, each a pure function of (seed, step).

Taught in   : chapter 13 (why a run can be stopped and continued without leaving a trace)

Epoch e visits the samples in a permutation drawn from (seed, e); the sample at position i of epoch
e is augmented with a generator seeded by (seed, e, i). So batch number s is the same whoever asks
for it and whenever: resuming is starting at another s.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from segtutor.data.dataset import Sample, SegmentationData
from segtutor.data.transforms import apply, normalise


class Cached:
    """A data set that remembers what it has read (CamVid's train split takes about 250 MB)."""

    def __init__(self, data: SegmentationData):
        self.data, self.memory = data, {}
        for attribute in ("name", "classes", "palette", "ignore"):
            setattr(self, attribute, getattr(data, attribute))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        if index not in self.memory:
            self.memory[index] = self.data[index]
        return self.memory[index]


class _Draws(torch.utils.data.Dataset):
    """Item (epoch, position) -> augmented sample. A data set for DataLoader's workers."""

    def __init__(
        self, data: SegmentationData, transform: nn.Module | None, normalisation: str, seed: int
    ):
        self.data, self.transform = data, transform
        self.normalisation, self.seed = normalisation, seed

    def __getitem__(self, draw: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, position = draw
        order = torch.randperm(len(self.data), generator=generator(self.seed, epoch))
        sample = self.data[int(order[position])]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number(self.seed, epoch, position))
            image, label = apply(self.transform, sample) if self.transform else sample[:2]
        if image.dtype == torch.uint8:  # TrainingPipeline normalises itself, to pad with zeros
            image = normalise(image, self.normalisation)
        return image, label.long()


def number(*parts: int) -> int:
    """One 63-bit seed from several whole numbers (order matters)."""
    mixed = 0
    for part in parts:
        mixed = (mixed * 1_000_003 + int(part) + 0x9E3779B9) % (2**63 - 1)
    return mixed


def generator(*parts: int) -> torch.Generator:
    """A torch generator seeded by several whole numbers."""
    return torch.Generator().manual_seed(number(*parts))


def batches(
    data: SegmentationData,
    *,
    batch: int,
    steps: int,
    transform: nn.Module | None,
    normalisation: str,
    seed: int = 0,
    start: int = 0,
    workers: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches number `start` .. `steps` - 1: images (B, 3, H, W) float, labels (B, H, W) int64.

    transform: joint transform of image and label (all results must have one size), see
    `transforms.augment` and `pipeline.TrainingPipeline`. What it returns as uint8 is normalised
    here; what it returns as float stays as it is.
    """
    if len(data) == 0:
        raise ValueError(f"data set {data.name!r} is empty")
    draws = [
        [divmod(step * batch + i, len(data)) for i in range(batch)] for step in range(start, steps)
    ]
    source = _Draws(data, transform, normalisation, seed)
    yield from torch.utils.data.DataLoader(source, batch_sampler=draws, num_workers=workers)
