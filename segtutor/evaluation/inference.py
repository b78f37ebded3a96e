"""From the copies of a photograph to one answer: probabilities averaged over scales and flips.

Implements  : Segmenter section 4.2 "Inference"; SETR section 4.1 "Multi-scale test"
Taught in   : chapter 14, Inference: windows, scales, flips
Official    : both repositories do the same, in this order: average the *logits* where windows
              overlap, resize them to the photograph, turn mirrored ones back, soft-max, average the
              *probabilities* over the copies. They take one copy after the other; here the windows
              of all copies and all photographs stand in one queue, so that every batch is full.
              Segmenter rounds mean and spread of the pixels to two decimals of 255; we do not
              (a difference of 1e-4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.data.transforms import normalise
from segtutor.evaluation.protocols import Protocol
from segtutor.evaluation.rescale import resized
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
            copy = normalise(resized(pixels, side), normalisation)  # (3, h, w)
            yield Copy(copy.flip(-1) if mirrored else copy, mirrored)

    return Task(copies(), len(wanted), size)


@torch.inference_mode()
def probabilities(
    model: nn.Module,
    tasks: Iterable[Task],
    window: Size,
    stride: Size,
    *,
    batch: int = 8,
    enlarge: bool = True,
) -> Iterator[Tensor]:
    """Class probabilities of each photograph in turn, (K, H, W).

    window, stride: (rows, columns) in pixels. batch: windows that go through the model together.
    enlarge: see `Protocol`. The tasks are drawn as they are needed, and no more than a batch ahead.
    """
    under_way: deque[tuple[bool, int, Size]] = deque()

    def images() -> Iterator[Tensor]:
        for task in tasks:
            for copy in task.copies:
                under_way.append((copy.mirrored, task.count, task.size))
                yield copy.image

    total, seen = None, 0
    scores = stream_windows(model, images(), window, stride, batch=batch, enlarge=enlarge)
    for logits in scores:  # each (K, h, w)
        mirrored, count, size = under_way.popleft()
        if tuple(logits.shape[-2:]) != size:
            logits = F.interpolate(logits[None], size=size, mode="bilinear")[0]  # (K, H, W)
        part = logits.softmax(0)
        part = part.flip(-1) if mirrored else part
        total, seen = part if total is None else total.add_(part), seen + 1
        if seen == count:
            yield total / count
            total, seen = None, 0


def predictions(
    model: nn.Module,
    photographs: Iterable[tuple[str, Tensor]],
    protocol: Protocol,
    normalisation: str,
    *,
    batch: int = 8,
) -> Iterator[Tensor]:
    """Class of every pixel of each photograph in turn, (H, W) int64 on the processor.

    photographs: (name, (3, H, W) uint8); read one after the other as they are needed. The model's
    training mode is left as it is: call `model.eval()` first.
    """
    device = next(model.parameters()).device
    tasks = (
        task_of(image, protocol, normalisation, name=name, device=device)
        for name, image in photographs
    )
    found = probabilities(
        model, tasks, protocol.window, protocol.stride, batch=batch, enlarge=protocol.enlarge
    )
    for p in found:
        yield p.argmax(0).cpu()  # (H, W)
