"""From the copies of a photograph to one answer: probabilities averaged over scales and flips.

Implements  : Segmenter section 4.2 "Inference"; SETR section 4.1 "Multi-scale test"
Taught in   : chapter 14, Inference: windows, scales, flips
Official    : both repositories do the same, in this order: average the *logits* where windows
              overlap, resize them to the photograph, turn mirrored ones back, soft-max, average the
              *probabilities* over the copies. They take one copy after the other; here the windows
              of all copies and all photographs stand in one queue, so that every batch is full.
              Where there is one copy only, the soft-max changes no answer and is left out.
"""

from __future__ import annotations

import typing
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.data.resize import resize_image
from segtutor.data.transforms import normalise
from segtutor.evaluation.protocols import Protocol
from segtutor.evaluation.windows import stream_windows
from segtutor.upsampling import Size


class Copy(NamedTuple):
    """image: (3, h, w), normalised, and mirrored if `mirrored` says so."""

    image: Tensor
    mirrored: bool


class Task(NamedTuple):
    """One photograph: its copies (`count` of them, made when they are asked for) and the size
    (H, W) in which the answer is wanted.
    """

    copies: Iterable[Copy]
    count: int
    size: Size


class Photograph(typing.Protocol):
    """What `answers` takes: a `Sample`, or anything else with an image and a name.

    image: (3, H, W) uint8. name: for errors.
    """

    image: Tensor
    name: str


P = typing.TypeVar("P", bound=Photograph)


def task_of(
    image: Tensor,
    protocol: Protocol,
    normalisation: str,
    *,
    name: str = "the photograph",
    device: torch.device | str = "cpu",
) -> Task:
    """The copies of a photograph, (3, H, W) uint8, that a protocol wants.

    normalisation: key of data.transforms.NORMALISATIONS. name: for errors. device: where the copies
    are made. Raises ValueError for a photograph that the protocol cannot take.
    """
    size = tuple(image.shape[-2:])
    wanted = protocol.copies(size, name)
    pixels = image.to(device)

    def copies() -> Iterator[Copy]:
        for side, mirrored in wanted:
            copy = normalise(resize_image(pixels, side), normalisation)  # (3, h, w)
            yield Copy(copy.flip(-1) if mirrored else copy, mirrored)

    return Task(copies(), len(wanted), size)


@torch.inference_mode()
def logits_of_copies(
    model: nn.Module,
    tasks: Iterable[Task],
    window: Size,
    stride: Size,
    *,
    batch: int = 8,
    enlarge: bool = True,
) -> Iterator[tuple[Tensor, bool, int]]:
    """(K, H, W) logits of one copy after the other, in its photograph's size; whether the copy is
    mirrored; how many copies that photograph has.

    window, stride: (rows, columns) in pixels. batch: windows that go through the model together.
    enlarge: see `Protocol`. The tasks are drawn as they are needed, and no more than a batch ahead.
    """
    under_way: deque[tuple[bool, int, Size]] = deque()

    def images() -> Iterator[Tensor]:
        for task in tasks:
            for copy in task.copies:
                under_way.append((copy.mirrored, task.count, task.size))
                yield copy.image

    stream = stream_windows(model, images(), window, stride, batch=batch, enlarge=enlarge)
    for logits in stream:  # each (K, h, w)
        mirrored, count, size = under_way.popleft()
        if tuple(logits.shape[-2:]) != size:
            logits = F.interpolate(logits[None], size=size, mode="bilinear")[0]  # (K, H, W)
        yield logits, mirrored, count


@torch.inference_mode()
def probabilities(copies: Iterable[tuple[Tensor, bool, int]]) -> Iterator[Tensor]:
    """What `logits_of_copies` yields -> class probabilities of each photograph, (K, H, W): the mean
    of its copies' soft-maxes, mirrored ones turned back.
    """
    total, seen = None, 0
    for logits, mirrored, count in copies:  # each (K, H, W)
        part = logits.softmax(0)
        part = part.flip(-1) if mirrored else part
        total, seen = part if total is None else total.add_(part), seen + 1
        if seen == count:
            yield total / count
            total, seen = None, 0


def answers(
    model: nn.Module,
    photographs: Iterable[P],
    protocol: Protocol,
    *,
    normalisation: str | None = None,
    batch: int = 8,
) -> Iterator[tuple[P, Tensor]]:
    """Each photograph in turn with the class of every pixel, (H, W) int64 on the processor.

    photographs: drawn one after the other as they are needed. normalisation: None takes the
    model's own. The model is in evaluation mode while this runs, and then again as it was.
    """
    normalisation = normalisation or model.config.normalisation
    device = next(model.parameters()).device
    under_way: deque[P] = deque()

    def tasks() -> Iterator[Task]:
        for photograph in photographs:
            task = task_of(
                photograph.image, protocol, normalisation, name=photograph.name, device=device
            )
            under_way.append(photograph)
            yield task

    copies = logits_of_copies(
        model,
        tasks(),
        protocol.window,
        protocol.stride,
        batch=batch,
        enlarge=protocol.enlarge,
    )
    one = len(protocol.ratios) == 1 and not protocol.flip
    found = (logits for logits, *_ in copies) if one else probabilities(copies)
    was_training = model.training
    model.eval()
    try:
        for scores in found:  # each (K, H, W)
            yield under_way.popleft(), scores.argmax(0).cpu()  # (H, W)
    finally:
        model.train(was_training)
