"""Resizing as both official pipelines do it: which size, and which pixels.

Taught in   : chapter 11 (training sizes), chapter 14 (evaluation sizes)
Official    : mmsegmentation's Resize and MultiScaleFlipAug, used by SETR and Segmenter alike.
              Photographs: OpenCV's bilinear on uint8, no antialias (here: within 1 level, OpenCV
              rounds its weights to 11 bits). Labels: nearest, rounding down (here: identical).
Departure   : a window can be asked for; then only that part is computed, with the pixels the whole
              resized picture would have there. A Cityscapes crop of 768x768 out of 4098x2050 costs
              a fourteenth.
"""

from __future__ import annotations

import torch
from torch import Tensor

Size = tuple[int, int]  # (height, width)
Window = tuple[int, int, int, int]  # (top, left, height, width)

# (long side, short side) that a photograph is fitted into before a random or fixed factor.
# Segmenter and SETR mean different sizes on Pascal Context: SETR's box holds the LONG side to 520.
BASES = {
    ("segmenter", "ade20k"): (2048, 512),
    ("segmenter", "pascal_context"): (4160, 520),
    ("segmenter", "cityscapes"): (2048, 1024),
    ("setr", "ade20k"): (2048, 512),
    ("setr", "pascal_context"): (520, 520),
    ("setr", "cityscapes"): (2049, 1025),
}
CROPS = {"ade20k": (512, 512), "pascal_context": (480, 480), "cityscapes": (768, 768)}
SETR_RULES = ("head", "release")


def fitted_size(size: Size, box: tuple[float, float]) -> Size:
    """The largest size of the same shape whose long side is at most max(box), short at most
    min(box).
    """
    factor = min(max(box) / max(size), min(box) / min(size))
    return tuple(int(side * factor + 0.5) for side in size)


def scaled_box(base: tuple[int, int], factor: float) -> tuple[int, int]:
    """`base` times a factor, each number cut to a whole one, as officially."""
    return int(base[0] * factor), int(base[1] * factor)


def segmenter_size(size: Size, base: tuple[int, int], factor: float = 1.0) -> Size:
    """Size at which Segmenter evaluates a photograph of `size` (H, W) at one of its scales.

    Nothing is held at the window's size here: `evaluation` enlarges what is smaller.
    """
    return fitted_size(size, scaled_box(base, factor))


def setr_size(
    size: Size,
    base: tuple[int, int],
    factor: float | None = None,
    *,
    window: int,
    rule: str = "head",
) -> Size:
    """Size at which SETR evaluates a photograph of `size` (H, W).

    factor: None for single-scale evaluation (plain fitting), else one of the multi-scale factors.
    Then the short side is fixed, never below `window`, and the long side follows without limit.
    rule: "head", the repository today; "release", of March 2021, which from the window's size on
    takes the box's FIRST number for the short side (2048 on ADE20K at factor 1). Which of them made
    the published multi-scale numbers is not documented. For Pascal Context's single scale the
    usable setting is factor=1.0: the plain rule is only what a broken configuration would give.
    """
    if rule not in SETR_RULES:
        raise ValueError(f"unknown SETR size rule {rule!r}; there are {', '.join(SETR_RULES)}")
    if factor is None:
        return fitted_size(size, base)
    box = scaled_box(base, factor)
    short = window if min(box) < window else (min(box) if rule == "head" else box[0])
    return fitted_size(size, (short * max(size) / min(size), short))


def resize_image(image: Tensor, size: Size, window: Window | None = None) -> Tensor:
    """Bilinear without antialias: (C, H, W) uint8 -> (C, *size) uint8, or the `window` of that."""
    top, left, height, width = window or (0, 0, *size)
    if size == tuple(image.shape[-2:]):
        return image[:, top : top + height, left : left + width]  # (C, height, width)
    upper, lower, down = _neighbours(image.shape[-2], size[0], top, height)
    first, second, right = _neighbours(image.shape[-1], size[1], left, width)
    start = int(first[0])
    down, right = down.to(image.device), right.to(image.device)
    image = image[:, :, start : int(second[-1]) + 1]  # (C, H, columns that are looked at)
    rows = torch.lerp(image[:, upper].float(), image[:, lower].float(), down[:, None])
    first, second = first - start, second - start
    out = torch.lerp(rows[:, :, first], rows[:, :, second], right)  # (C, height, width)
    return out.add_(0.5).to(torch.uint8)


def resize_label(label: Tensor, size: Size, window: Window | None = None) -> Tensor:
    """Nearest: (H, W) -> size, or the `window` of that. No value is made up."""
    top, left, height, width = window or (0, 0, *size)
    rows = _nearest(label.shape[0], size[0], top, height)
    columns = _nearest(label.shape[1], size[1], left, width)
    return label[rows][:, columns]  # (height, width)


def _neighbours(old: int, new: int, start: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """For new pixels start .. start + count: the old ones on both sides and the second's weight."""
    at = (torch.arange(start, start + count, dtype=torch.float64) + 0.5) * (old / new) - 0.5
    at = at.clamp(0, old - 1)
    low = at.floor().long()
    return low, (low + 1).clamp(max=old - 1), (at - low).float()


def _nearest(old: int, new: int, start: int, count: int) -> Tensor:
    at = torch.arange(start, start + count, dtype=torch.float64) * (1 / (new / old))
    return at.floor().long().clamp(max=old - 1)
