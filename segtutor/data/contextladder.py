"""ContextLadder: pictures in which only a distant marker tells the class of a blob.

Taught in   : chapter 02, which sets attention beside convolutions and windows of known reach
Licence     : made by this file; do with the pictures what you like

Every picture holds one blob, a dark disc with a white rim, and one marker, a small orange or blue
square. The marker's colour, and nothing else, is the blob's class. The distance between the two is
known and spread evenly from "side by side" to "end to end". Draw accuracy against it, and a
network that cannot see that far shows itself: it can only guess, accuracy 1/2. Squares and discs in
other colours lie about and say nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from segtutor.data.dataset import IGNORE, Sample
from segtutor.data.toyworld import look_up

CLASSES = ("background", "blob of an orange marker", "blob of a blue marker")
PALETTE = ((150, 150, 150), (230, 159, 0), (0, 114, 178))
LENGTHS = {"train": 8192, "val": 1024, "test": 2048}
CLUTTER = 6  # other shapes per picture
MARKERS = np.float32([(230, 159, 0), (0, 114, 178)])  # orange: class 1, blue: class 2
# Clutter is as red as it is blue: it neither looks like a marker nor drowns one.
OTHERS = np.float32([(70, 160, 70), (175, 85, 175), (60, 60, 60), (200, 200, 200)])
LOTS = 12 + 5 * CLUTTER  # random numbers that decide one picture


class ContextLadder:
    """Pictures of one blob (class 1 or 2, background 0) and the marker that gives its class.

    split: "train", "val" or "test"; no picture is in two of them. size: (H, W) pixels. seed:
    another seed, other pictures. length: how many, None for 8192/1024/2048. cell: side of the
    raster's cells, pixels; blob and marker each lie wholly within one cell, so that a network whose
    patches are the cells has either all of the marker in its field or nothing of it. distances:
    (nearest, farthest) in pixels; None for all that fit.

    The object has, per picture, `blobs` and `markers` (n, 2), their centres (row, column) in
    pixels; `offsets` (n, 2), the way from blob to marker; and `distances` (n,), the larger of
    |down| and |right|: a square window around the blob's centre shows the marker's centre if it
    reaches at least that far to each side. Distances are whole numbers of cells, each as frequent
    as the others. Picture i depends on (seed, split, i, size, cell, limits) only.
    """

    name = "contextladder"
    classes = CLASSES
    palette = PALETTE
    ignore = IGNORE

    def __init__(
        self,
        split: str = "train",
        *,
        size: tuple[int, int] = (64, 64),
        seed: int = 0,
        length: int | None = None,
        cell: int = 8,
        distances: tuple[float, float] | None = None,
    ):
        if split not in LENGTHS:
            raise ValueError(
                f"unknown ContextLadder split {split!r}; there are {', '.join(LENGTHS)}"
            )
        if seed < 0:
            raise ValueError(f"seed is {seed}, expected 0 or more")
        self.split, self.size, self.seed, self.cell = split, tuple(size), seed, cell
        self.length = LENGTHS[split] if length is None else length
        self.grid = (size[0] // cell, size[1] // cell)  # cells down, cells to the right
        self.farthest = cell * (max(self.grid) - 1)  # pixels
        low, high = distances or (cell, self.farthest)
        if not cell <= low <= high <= self.farthest:
            raise ValueError(
                f"distances are {low:g} to {high:g} pixels, but in {size[0]}x{size[1]} pictures "
                f"with cells of {cell} blob and marker are {cell} to {self.farthest} apart: stay "
                "within, or take a larger size"
            )
        rng = np.random.default_rng([seed, list(LENGTHS).index(split)])
        self._lots = rng.random(
            (self.length, LOTS), np.float32
        )  # row i is the same for every length
        self._place(int(-(-low // cell)), int(high // cell))

    def _place(self, low: int, high: int) -> None:
        """Cells of blob and marker: first the distance, then a direction in which it fits."""
        lots, (rows, columns) = self._lots, self.grid

        def whole(lot, count):  # evenly 0 .. count - 1
            return np.minimum(lot * count, count - 1).astype(np.int64)

        apart = low + whole(lots[:, 0], high - low + 1)  # (n,) cells
        upright = np.where(apart < np.minimum(rows, columns), lots[:, 1] < 0.5, rows > columns)
        far = np.where(lots[:, 2] < 0.5, -apart, apart)  # along one axis
        most = np.minimum(apart, np.where(upright, columns, rows) - 1)
        near = whole(lots[:, 3], 2 * most + 1) - most  # along the other axis, at most as far
        step = np.where(upright[:, None], np.stack([far, near], 1), np.stack([near, far], 1))
        free = np.array(self.grid) - np.abs(step)  # (n, 2) places for the pair
        first = np.maximum(-step, 0) + whole(lots[:, 4:6], free)  # (n, 2) cell of the blob
        centres = [self.cell * (c + 0.5) for c in (first, first + step)]
        self._blob, self._marker = np.float32(centres)
        self.blobs, self.markers = map(torch.from_numpy, (self._blob, self._marker))  # (n, 2)
        self.offsets = self.markers - self.blobs  # (n, 2)
        self.distances = self.offsets.abs().amax(1)  # (n,)
        self._kind = 1 + (lots[:, 6] < 0.5)  # (n,) class of the blob

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        if not -self.length <= index < self.length:
            raise IndexError(f"picture {index} of a split with {self.length}")
        index %= self.length
        images, labels = self._paint(slice(index, index + 1))
        return Sample(image=images[0], label=labels[0], name=f"{self.split}-{index:05d}")

    def sample_with_distance(self, index: int) -> tuple[Sample, float]:
        """The sample, and its distance in pixels (see the class)."""
        return self[index], float(self.distances[index])

    def arrays(self) -> tuple[Tensor, Tensor, Tensor]:
        """All at once: images (n, 3, H, W) and labels (n, H, W), uint8, and distances (n,).

        About 0.4 ms and 16 kB per picture of 64x64.
        """
        parts = [self._paint(slice(i, i + 128)) for i in range(0, self.length, 128)]
        images, labels = (torch.cat(part) for part in zip(*parts, strict=True))
        return images, labels, self.distances

    def _paint(self, which: slice) -> tuple[Tensor, Tensor]:
        """Pictures and labels of some rows: (n, 3, H, W) and (n, H, W), uint8."""
        lots, (H, W) = self._lots[which], self.size
        y = np.arange(H, dtype=np.float32)[:, None] + 0.5  # (H, 1)
        x = np.arange(W, dtype=np.float32) + 0.5  # (W,)

        def column(values):  # one number per picture
            return np.float32(values)[:, None, None]  # (n, 1, 1)

        def lay(shape, colour):  # paint over what is there
            for channel, value in zip(planes, colour, strict=True):
                channel += (value - channel) * shape

        u, v = column(512 * lots[:, 7]), column(512 * lots[:, 8])
        base = column(90 + 60 * lots[:, 9]) + 14 * look_up(1.2, u + 2 * x, v + 2 * y)  # (n, H, W)
        planes = [base.copy() for _ in range(3)]  # red, green, blue
        for lot in np.split(lots[:, 12:], CLUTTER, axis=1):  # row, column, size, colour, form
            down, right = np.abs(y - column(lot[:, 0] * H)), np.abs(x - column(lot[:, 1] * W))
            half = column(2 + 3 * lot[:, 2])
            disc, square = np.hypot(down, right), np.maximum(down, right)
            inside = half - np.where(column(lot[:, 4]) < 0.4, disc, square)
            colour = OTHERS[np.int32(lot[:, 3] * len(OTHERS))].T  # (3, n)
            lay(np.clip(inside + 0.5, 0, 1), map(column, colour))

        blob, marker = self._blob[which], self._marker[which]
        away = np.hypot(y - column(blob[:, 0]), x - column(blob[:, 1]))  # (n, H, W)
        dark, radius = column(30 + 30 * lots[:, 10]), self.cell / 2 - 0.5  # within its cell
        lay(np.clip(radius - away + 0.5, 0, 1), (235, 235, 235))
        lay(np.clip(radius - self.cell / 6 - away + 0.5, 0, 1), (dark, dark, dark))
        down, right = np.abs(y - column(marker[:, 0])), np.abs(x - column(marker[:, 1]))
        colour = MARKERS[self._kind[which] - 1].T * (0.85 + 0.3 * lots[:, 11])  # (3, n)
        lay(np.clip(self.cell / 2 - 1 - np.maximum(down, right) + 0.5, 0, 1), map(column, colour))

        grain = 6 * look_up(0, u * 7 + x, v * 7 + y)  # (n, H, W)
        images = np.stack([np.clip(p + grain, 0, 255) for p in planes], axis=1).astype(np.uint8)
        labels = np.where(away <= radius, column(self._kind[which]), 0).astype(np.uint8)
        return torch.from_numpy(images), torch.from_numpy(labels)  # (n, 3, H, W), (n, H, W)


def blob_votes(predicted: Tensor, labels: Tensor) -> Tensor:
    """Is each blob's class right? Its places vote, class 1 against class 2; a tie counts half.

    predicted, labels: (B, h, w) class ids, of pixels or of patches. Votes for background do not
    count. Returns (B,): 1 right, 0 wrong, 0.5 undecided.
    """
    on_blob = (labels == 1) | (labels == 2)  # (B, h, w)
    kind = labels.flatten(1).amax(1)  # (B,)
    ones = ((predicted == 1) & on_blob).flatten(1).sum(1)  # (B,)
    twos = ((predicted == 2) & on_blob).flatten(1).sum(1)
    lead = torch.where(kind == 1, ones - twos, twos - ones)  # (B,)
    return (lead.sign() + 1) / 2


def accuracy_by_distance(right: Tensor, distances: Tensor, edges: list[float]) -> Tensor:
    """Mean of `right` (n,) in each bin edges[k] <= distance < edges[k + 1]; nan where empty.

    Returns (len(edges) - 1,).
    """
    bins = list(zip(edges[:-1], edges[1:], strict=True))
    return torch.stack([right[(distances >= a) & (distances < b)].mean() for a, b in bins])
