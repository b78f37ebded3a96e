"""Sliding windows: a photograph of any size, seen in pieces as large as the training crops.

Implements  : Segmenter section 4.2 "Inference" and SETR section 4.1 (both: windows of the training
              size, scores averaged where windows overlap)
Taught in   : chapter 00 uses it, chapter 14 explains it
Official    : both repositories place the windows at multiples of the stride and push the last one
              back to the border; both average logits, not probabilities. Segmenter enlarges images
              whose short side is below the window; SETR's code cannot take them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.upsampling import Size


def starts(length: int, window: int, stride: int) -> list[int]:
    """First pixel of each window along an axis: 0, stride, ..., and one that ends at the border.

    Raises ValueError when the window is longer than the axis, or the stride leaves gaps.
    """
    if window > length:
        raise ValueError(f"a window of {window} pixels does not fit into {length}")
    if not 1 <= stride <= window:
        raise ValueError(f"stride is {stride}, expected 1 to {window}: more would leave gaps")
    return [*range(0, length - window, stride), length - window]


def grow_to_window(images: Tensor, window: Size) -> Tensor:
    """Enlarge images that are shorter than the window in some direction, keeping their aspect.

    images: (B, C, H, W), normalised. Bilinear; the side that was too short becomes the window's,
    the other is rounded down, as in Segmenter's code (where windows are square).
    """
    (H, W), (h, w) = images.shape[-2:], window
    if H >= h and W >= w:
        return images
    size = (h, int(W / H * h)) if h / H >= w / W else (int(H / W * w), w)
    return F.interpolate(images, size=size, mode="bilinear")  # (B, C, H', W')


class Mosaic:
    """One image on its way through the windows: where they lie, and the sum of what came back.

    image: (3, H, W), normalised.
    """

    def __init__(self, image: Tensor, window: Size, stride: Size):
        (H, W), (h, w) = image.shape[-2:], window
        self.image, self.window, self.total = image, window, None
        self.places = [(y, x) for y in starts(H, h, stride[0]) for x in starts(W, w, stride[1])]
        self.missing = len(self.places)

    def piece(self, y: int, x: int) -> Tensor:
        return self.image[:, y : y + self.window[0], x : x + self.window[1]]  # (3, h, w)

    def add(self, y: int, x: int, scores: Tensor) -> None:
        """scores: (K, h, w) of the window at (y, x)."""
        H, W = self.image.shape[-2:]
        if self.total is None:  # sums of half precision numbers are kept in single precision
            exact = torch.promote_types(scores.dtype, torch.float32)
            self.total = scores.new_zeros(len(scores), H, W, dtype=exact)
        self.total[:, y : y + self.window[0], x : x + self.window[1]] += scores
        self.missing -= 1

    def mean(self) -> Tensor:
        """(K, H, W): the sum divided by how many windows saw each pixel."""
        seen = self.total.new_zeros(self.image.shape[-2:])  # (H, W)
        for y, x in self.places:
            seen[y : y + self.window[0], x : x + self.window[1]] += 1
        return self.total.div_(seen)


@torch.inference_mode()
def stream_windows(
    model: nn.Module,
    images: Iterable[Tensor],
    window: Size,
    stride: Size,
    *,
    batch: int = 8,
    enlarge: bool = True,
) -> Iterator[Tensor]:
    """Logits of one image after the other, (3, H_i, W_i) -> (K, H_i, W_i), each of its own size.

    The windows of neighbouring images share batches of `batch`; images are drawn when they are
    needed. enlarge: images smaller than the window are enlarged first, and their logits stay in the
    enlarged size; otherwise they raise ValueError.
    """
    waiting: deque[Mosaic] = deque()
    queue: deque[tuple[Mosaic, int, int]] = deque()

    def run(count: int) -> None:
        some = [queue.popleft() for _ in range(count)]
        pieces = torch.stack([mosaic.piece(y, x) for mosaic, y, x in some])  # (count, 3, h, w)
        for (mosaic, y, x), scores in zip(some, model(pieces), strict=True):
            mosaic.add(y, x, scores)  # (K, h, w)

    for image in images:
        grown = grow_to_window(image[None], window)[0] if enlarge else image  # (3, H, W)
        waiting.append(Mosaic(grown, window, stride))
        queue.extend((waiting[-1], y, x) for y, x in waiting[-1].places)
        while len(queue) >= batch:
            run(batch)
        while waiting and not waiting[0].missing:
            yield waiting.popleft().mean()
    if queue:
        run(len(queue))
    while waiting:
        yield waiting.popleft().mean()


@torch.inference_mode()
def sliding_window(
    model: nn.Module, images: Tensor, window: Size, stride: Size, *, batch: int = 8
) -> Tensor:
    """Logits of whole images from overlapping windows: (B, 3, H, W) -> (B, K, H, W).

    images: normalised, any size. window, stride: (rows, columns) in pixels. batch: windows that go
    through the model together. Logits are averaged where windows overlap.
    """
    mean = torch.stack(list(stream_windows(model, images, window, stride, batch=batch)))
    if mean.shape[-2:] != images.shape[-2:]:  # (B, K, H', W'): they had been enlarged
        mean = F.interpolate(mean, size=images.shape[-2:], mode="bilinear")
    return mean  # (B, K, H, W)
