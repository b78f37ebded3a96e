"""Photometric distortion: light, contrast, saturation and hue of a photograph, changed at random.

Taught in   : chapter 11
Official    : mmsegmentation's PhotoMetricDistortion, in its order, on uint8 after every step.
Why ours    : torchvision's ColorJitter blends with grey or black instead of adding and multiplying;
              the results differ by up to 92 of 255 levels.
Departure   : red, green, blue order and PyTorch instead of OpenCV. On the way back from HSV, OpenCV
              seems to drop decimals in most pixels (so do we) and to round in the last ones of a
              row; there we differ by one level.
"""

from __future__ import annotations

import torch
from torch import Tensor

DARKER_BRIGHTER = 32.0  # brightness is changed by at most so many levels
GAIN = (0.5, 1.5)  # contrast and saturation are multiplied by a number from here
HUE = 18  # hue turns by -18 .. 17 of 180 steps


def _cut(values: Tensor) -> Tensor:
    """Back to uint8 the official way: clipped, decimals dropped."""
    return values.clamp(0, 255).to(torch.uint8)


def brightness(image: Tensor, delta: float) -> Tensor:
    """(3, H, W) uint8 plus `delta` levels."""
    return _cut(image.float() + delta)


def contrast(image: Tensor, gain: float) -> Tensor:
    """(3, H, W) uint8 times `gain` (around 0, not around the mean)."""
    return _cut(image.float() * gain)


def saturation(image: Tensor, gain: float) -> Tensor:
    """(3, H, W) uint8 with its saturation multiplied by `gain`."""
    h, s, v = to_hsv(image)
    return from_hsv(torch.stack([h, _cut(s.float() * gain), v]))


def hue(image: Tensor, shift: int) -> Tensor:
    """(3, H, W) uint8 with its hue turned by `shift` steps of two degrees."""
    h, s, v = to_hsv(image)
    return from_hsv(torch.stack([((h.int() + shift) % 180).to(torch.uint8), s, v]))


def to_hsv(image: Tensor) -> Tensor:
    """RGB (3, H, W) uint8 -> hue 0..179 (steps of two degrees), saturation, value 0..255, uint8."""
    r, g, b = image.int()
    v = torch.maximum(torch.maximum(r, g), b)  # (H, W)
    spread = v - torch.minimum(torch.minimum(r, g), b)
    sixth = torch.where(
        v == r, g - b, torch.where(v == g, b - r + 2 * spread, r - g + 4 * spread)
    )  # position on the colour circle, in sixths of it times spread
    h = _in_steps(sixth, spread, 30) % 180
    s = _in_steps(spread, v, 255)
    return torch.stack([h, s, v]).to(torch.uint8)


def _in_steps(part: Tensor, whole: Tensor, steps: int) -> Tensor:
    """part / whole * steps to the nearest whole number, by OpenCV's 12-bit quotients.

    One step of hue more or less can be 8 levels of colour, so halves must fall as they do there.
    """
    quotient = torch.round((steps << 12) / whole.clamp(min=1).double()).int()
    return (part * quotient + (1 << 11)) >> 12


def from_hsv(hsv: Tensor) -> Tensor:
    """The way back: (3, H, W) uint8 hue, saturation, value -> RGB uint8."""
    h, s, v = hsv.float()
    position = h / 30 + torch.tensor([5.0, 3.0, 1.0]).view(3, 1, 1)  # (3, H, W), for R, G, B
    position = position % 6
    dip = torch.minimum(position, 4 - position).clamp(0, 1)  # 1 where this colour is weakest
    return (v / 255 * (1 - s / 255 * dip) * 255 + 1e-4).to(torch.uint8)


def distort(image: Tensor) -> Tensor:
    """All four at random, each with probability 1/2; contrast comes second or last, by a coin.

    image: (3, H, W) uint8 RGB, returned as the same. Numbers come from torch's global generator.
    """

    def heads() -> bool:
        return bool(torch.rand(()) < 0.5)

    def between(low: float, high: float) -> float:
        return float(torch.empty(()).uniform_(low, high))

    if heads():
        image = brightness(image, between(-DARKER_BRIGHTER, DARKER_BRIGHTER))
    contrast_early = heads()
    if contrast_early and heads():
        image = contrast(image, between(*GAIN))
    if heads():
        image = saturation(image, between(*GAIN))
    if heads():
        image = hue(image, int(torch.randint(-HUE, HUE, ())))
    if not contrast_early and heads():
        image = contrast(image, between(*GAIN))
    return image
