"""The training pipeline of both papers' official code, from a photograph to what the network eats.

    resize by a random factor -> crop, not all one class -> flip -> distort colours -> normalise
    -> pad

Taught in   : chapter 11
Paper       : SETR section 4.1, Segmenter section 4.1, which both point to mmsegmentation
Official    : the same steps in the same order from the same distributions. The random numbers are
              torch's, so single crops differ from a run of the official code.
Departure   : the crop's place is chosen on the labels, and only the chosen window of the photograph
              is resized (`resize.py`); the pixels are those of resizing first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segtutor.data.dataset import IGNORE
from segtutor.data.photometric import distort
from segtutor.data.resize import Size, Window, fitted_size, resize_image, resize_label, scaled_box
from segtutor.data.transforms import normalise

REDRAWS = 10


class TrainingPipeline(nn.Module):
    """Joint transform of photograph and label map, for `batches(transform=...)`.

    base: (long, short) side before the random factor, see `resize.BASES`. crop: (h, w) of what
    comes out. scale: the factor is drawn from [low, high). largest_share: a crop is drawn anew, at
    most ten times, while one class covers this share of its counted pixels or more; 1.0 turns this
    off. flip: probability of mirroring.

    (3, H, W) uint8, (H, W) uint8 -> (3, h, w) float32 normalised, padded with 0;
    (h, w) uint8, padded with 255.
    """

    def __init__(
        self,
        *,
        base: tuple[int, int],
        crop: Size,
        normalisation: str,
        scale: tuple[float, float] = (0.5, 2.0),
        flip: float = 0.5,
        largest_share: float = 0.75,
        colours: bool = True,
    ):
        super().__init__()
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale {scale}: expected (low, high) with 0 < low <= high")
        if not 0 < largest_share <= 1:
            raise ValueError(f"largest_share {largest_share}: expected a share in (0, 1]")
        self.base, self.crop, self.normalisation = base, crop, normalisation
        self.scale, self.flip = scale, flip
        self.largest_share, self.colours = largest_share, colours

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        image, label = image.as_subclass(Tensor), label.as_subclass(Tensor)
        low, high = self.scale
        factor = low + (high - low) * float(torch.rand(()))
        size = fitted_size(tuple(label.shape), scaled_box(self.base, factor))
        window, label = self.choose_window(label, size)
        image = resize_image(image, size, window)  # (3, h, w), or smaller where size is
        if torch.rand(()) < self.flip:
            image, label = image.flip(-1), label.flip(-1)
        if self.colours:
            image = distort(image)
        return pad(normalise(image, self.normalisation), label, self.crop)

    def choose_window(self, label: Tensor, size: Size) -> tuple[Window, Tensor]:
        """A window of the picture resized to `size`, and the labels in it."""
        window = random_window(size, self.crop)
        cut = resize_label(label, size, window)
        if self.largest_share == 1.0:
            return window, cut
        for _ in range(REDRAWS):
            if varied(cut, self.largest_share):
                break
            window = random_window(size, self.crop)
            cut = resize_label(label, size, window)
        return window, cut


def random_window(size: Size, crop: Size) -> Window:
    """(top, left, height, width) of a crop inside `size`; all of a side that is shorter than it."""
    starts = [int(torch.randint(max(s - c, 0) + 1, ())) for s, c in zip(size, crop, strict=True)]
    return (*starts, min(size[0], crop[0]), min(size[1], crop[1]))


def varied(label: Tensor, largest_share: float) -> bool:
    """At least two classes, and none of them with `largest_share` of the counted pixels or more."""
    counts = torch.bincount(label.flatten(), minlength=IGNORE + 1)[:IGNORE]
    present = counts[counts > 0]
    return len(present) > 1 and bool(present.max() < largest_share * present.sum())


def pad(image: Tensor, label: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Right and bottom: 0 for the normalised photograph, "ignore" for the labels."""
    down, right = (max(0, s - n) for s, n in zip(size, label.shape, strict=True))
    image = F.pad(image, (0, right, 0, down))  # (3, h, w)
    return image, F.pad(label, (0, right, 0, down), value=IGNORE)  # (h, w)
