"""Sliding windows: a photograph of any size, seen in pieces as large as the training crops.

Implements  : Segmenter section 4.2 "Inference" and SETR section 4.1 (both: windows of the training
              size, scores averaged where windows overlap)
Taught in   : chapter 00 uses it, chapter 14 explains it
Official    : both repositories place the windows at multiples of the stride and push the last one
              back to the border; both average logits, not probabilities. Segmenter enlarges images
              whose short side is below the window; SETR's code cannot take them.
"""

from __future__ import annotations

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


@torch.inference_mode()
def sliding_window(
    model: nn.Module, images: Tensor, window: Size, stride: Size, *, batch: int = 8
) -> Tensor:
    """Logits of whole images from overlapping windows: (B, 3, H, W) -> (B, K, H, W).

    images: normalised, any size. window, stride: (rows, columns) in pixels. batch: windows that go
    through the model together. Logits are averaged where windows overlap.
    """
    grown = grow_to_window(images, window)  # (B, 3, H', W')
    (H, W), (h, w) = grown.shape[-2:], window
    places = [
        (b, y, x)
        for b in range(len(images))
        for y in starts(H, h, stride[0])
        for x in starts(W, w, stride[1])
    ]
    total, seen = None, images.new_zeros(1, 1, H, W)
    for first in range(0, len(places), batch):
        some = places[first : first + batch]
        pieces = torch.stack([grown[b, :, y : y + h, x : x + w] for b, y, x in some])
        for (b, y, x), scores in zip(some, model(pieces), strict=True):  # each (K, h, w)
            if total is None:
                total = scores.new_zeros(len(images), len(scores), H, W)
            total[b, :, y : y + h, x : x + w] += scores
            seen[..., y : y + h, x : x + w] += b == 0  # windows lie alike in all images
    mean = total / seen  # (B, K, H', W')
    if mean.shape[-2:] != images.shape[-2:]:
        mean = F.interpolate(mean, size=images.shape[-2:], mode="bilinear")
    return mean  # (B, K, H, W)
