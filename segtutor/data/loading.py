"""Batches for training, each a pure function of (seed, step).

Taught in   : chapter 13 (why a run can be stopped and continued without leaving a trace)

Epoch e visits the samples in a permutation drawn from (seed, e); the sample at position i of epoch
e is augmented with a generator seeded by (seed, e, i). So batch number s is the same whoever asks
for it and whenever: resuming is starting at another s, and two processes that take the two halves
of batch s see together what one would have seen.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from segtutor.data.dataset import Sample, SegmentationData
from segtutor.data.transforms import apply, normalise

Draw = tuple[int, int]  # (epoch, position in it)


class Cached:
    """A data set that remembers what it has read (CamVid's train split takes about 250 MB)."""

    def __init__(self, data: SegmentationData):
        self.data, self.memory = data, {}
        for attribute in ("name", "classes", "palette", "ignore"):
            setattr(self, attribute, getattr(data, attribute))
        if hasattr(data, "names"):
            self.names = data.names

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        if index not in self.memory:
            self.memory[index] = self.data[index]
        return self.memory[index]


class _Draws(torch.utils.data.Dataset):
    """Item (epoch, position) -> augmented sample. A data set for DataLoader's workers.

    under_way: (workers, 2) shared between processes: pid, and the sample it is reading or -1.
    """

    def __init__(
        self,
        data: SegmentationData,
        transform: nn.Module | None,
        normalisation: str,
        seed: int,
        workers: int,
    ):
        self.data, self.transform = data, transform
        self.normalisation, self.seed = normalisation, seed
        self.order = (-1, torch.empty(0))  # of the epoch that was asked for last
        self.under_way = torch.full((workers, 2), -1, dtype=torch.int64).share_memory_()

    def index(self, draw: Draw) -> int:
        """Which sample that is."""
        epoch, position = draw
        if self.order[0] != epoch:
            order = torch.randperm(len(self.data), generator=generator(self.seed, epoch))
            self.order = (epoch, order)
        return int(self.order[1][position])

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        index = self.index(draw)
        worker = torch.utils.data.get_worker_info()
        if worker:
            self.under_way[worker.id] = torch.tensor([os.getpid(), index])
        try:
            sample = self.data[index]
        except (ValueError, OSError) as error:
            raise ValueError(f"sample {index} of {self.data.name}: {error}") from error
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number(self.seed, *draw))
            image, label = apply(self.transform, sample) if self.transform else sample[:2]
        if image.dtype == torch.uint8:  # TrainingPipeline normalises itself, to pad with zeros
            image = normalise(image, self.normalisation)
        if worker:
            self.under_way[worker.id, 1] = -1
        return image, label.long()

    def lost(self, message: str) -> list[str]:
        """Samples that the worker processes named in DataLoader's message had in hand."""
        pids = {int(pid) for pid in re.findall(r"\d+", message)}
        rows = self.under_way.tolist()
        return [sample_name(self.data, i) for pid, i in rows if pid in pids and i >= 0]


def number(*parts: int) -> int:
    """One 63-bit seed from several whole numbers (order matters)."""
    mixed = 0
    for part in parts:
        mixed = (mixed * 1_000_003 + int(part) + 0x9E3779B9) % (2**63 - 1)
    return mixed


def generator(*parts: int) -> torch.Generator:
    """A torch generator seeded by several whole numbers."""
    return torch.Generator().manual_seed(number(*parts))


def draws_of(step: int, *, batch: int, length: int) -> list[Draw]:
    """(epoch, position) of every sample of a batch. An epoch may end in the middle of one."""
    return [divmod(step * batch + i, length) for i in range(batch)]


def sample_name(data: SegmentationData, index: int) -> str:
    """What to call a sample in a message, without reading it if the data set lists its names."""
    names = getattr(data, "names", None)
    if names is None and hasattr(data, "data"):  # Cached, a subset
        names = getattr(data.data, "names", None)
    return str(names[index]) if names is not None else f"number {index}"


def batch_names(data: SegmentationData, step: int, *, batch: int, seed: int) -> list[str]:
    """Names of the samples in batch number `step`, for messages."""
    draws = _Draws(data, None, "", seed, 0)
    return [
        sample_name(data, draws.index(draw))
        for draw in draws_of(step, batch=batch, length=len(data))
    ]


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
    pieces: int = 1,
    take: tuple[int, ...] = (0,),
    pin_memory: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches number `start` .. `steps` - 1: images (B, 3, H, W) float, labels (B, H, W) int64.

    transform: joint transform of image and label (all results must have one size), see
    `transforms.augment` and `pipeline.TrainingPipeline`; its random numbers come from torch's
    global generator. What it returns as uint8 is normalised here; what it returns as float stays as
    it is. workers: processes that read ahead, two pieces each; they live as long as the iterator.
    pieces, take: each batch is cut into that many equal pieces, and of these come the numbers in
    `take`, one after the other: the micro-batches of one process. pin_memory: for a GPU.

    Raises ValueError for an empty data set, a batch that cannot be cut so, or a sample that cannot
    be read (it names the file); RuntimeError, naming the samples in hand, when a worker dies.
    """
    if len(data) == 0:
        raise ValueError(f"data set {data.name!r} is empty")
    if batch % pieces:
        raise ValueError(
            f"a batch of {batch} cannot be cut into {pieces} equal pieces (processes times "
            "micro-batches): choose a batch that is a multiple, or fewer of them"
        )
    share = batch // pieces

    def plan() -> Iterator[list[Draw]]:
        for step in range(start, steps):
            draws = draws_of(step, batch=batch, length=len(data))
            for piece in take:
                yield draws[piece * share : (piece + 1) * share]

    source = _Draws(data, transform, normalisation, seed, workers)
    loader = torch.utils.data.DataLoader(
        source,
        batch_sampler=plan(),
        num_workers=workers,
        pin_memory=pin_memory,
        prefetch_factor=2 if workers else None,
        worker_init_fn=_leave_interrupts_to_the_parent,
        generator=generator(seed, start),  # of the workers' own seeds; nothing here draws from them
    )
    try:
        yield from loader
    except ValueError as error:  # from a worker: with the worker's whole traceback in its text
        raise ValueError(str(error).strip().rsplit("\nValueError: ", 1)[-1]) from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        lost = ", ".join(source.lost(str(error))) or "none: it died between two samples"
        raise RuntimeError(
            f"a process that prepares batches of {data.name} died ({error}). In its hands: {lost}. "
            "Open these files; if they are fine, memory ran out: use fewer --workers"
        ) from error


def _leave_interrupts_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
