"""How large are the copies of a photograph that a network is tested on?

Implements  : Segmenter section 4.2 "Inference"; SETR section 4.1 "Multi-scale test"
Taught in   : chapter 14, Inference: windows, scales, flips
Official    : both papers bound the long and the short side of the photograph, multiply the bounds
              by a ratio, and keep the aspect. For several scales SETR's code has had two rules of
              its own: "release", in force when the paper came out, and "head", since May 2021.
              Which of them made the published multi-scale numbers is written nowhere; the sentence
              in the paper fits "head". Try both before calling a difference an error.

- plain: both bounds times the ratio (Segmenter; the single scale of either paper)
- head: only the short side counts: its bound times the ratio, but never below the window. On ADE20K
  the ratios 0.5, 0.75 and 1 so give the same copy three times
- release: the short side becomes the window where its bound times the ratio is below that, and
  otherwise the *long* bound times the ratio: 2048 on ADE20K
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segtutor.upsampling import Size

Bounds = tuple[int, int]  # of the long side, of the short side, in pixels
RULES = ("plain", "head", "release")


def times(size: Size, factor: float) -> Size:
    """Both sides times the factor, rounded to the nearest whole number as officially."""
    return int(size[0] * factor + 0.5), int(size[1] * factor + 0.5)


def copy_size(
    size: Size, bounds: Bounds | None, ratio: float = 1.0, *, rule: str = "plain", window: int = 0
) -> Size:
    """(H, W) of one copy of a photograph of `size` (H, W), in pixels.

    bounds: None leaves the photograph's own size, times the ratio. rule: see above. window: side of
    the square window, which "head" and "release" want to know.
    """
    if rule not in RULES:
        raise ValueError(f"unknown size rule {rule!r}; there are {', '.join(RULES)}")
    if bounds is None:
        return times(size, ratio)
    long, short = int(bounds[0] * ratio), int(bounds[1] * ratio)
    if rule == "plain":
        return times(size, min(long / max(size), short / min(size)))
    if rule == "head":
        return times(size, max(window, short) / min(size))
    return times(size, (window if short < window else long) / min(size))


def resized(image: Tensor, size: Size) -> Tensor:
    """Bilinear, without antialias, back to whole levels: (3, H, W) uint8 -> (3, *size) uint8.

    Both papers resize with OpenCV before they normalise; its fixed-point arithmetic differs from
    this by one level of 256 at most.
    """
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    pixels = F.interpolate(image[None].float(), size=tuple(size), mode="bilinear")[0]  # (3, h, w)
    return pixels.round().clamp(0, 255).to(torch.uint8)
