"""ToyScenes: outdoor scenes made on the spot, so that no chapter needs a download.

Taught in   : chapter 00 trains on them; every chapter falls back to them when real data is missing
Licence     : made by this library; do with the pictures what you like
Files       : toyworld.py decides what stands where, toypaint.py and toythings.py paint it

Light, weather and the colour of every thing vary on purpose: cars may be green, walls brown as
earth, water grey as asphalt. Colour alone tells little; texture, shape and place tell more.
"""

from __future__ import annotations

import numpy as np
import torch

from segtutor.data.dataset import IGNORE, Sample
from segtutor.data.toypaint import (
    Canvas,
    develop,
    ignore_borders,
    paint_backdrop,
    paint_ground,
    paint_sky,
)
from segtutor.data.toythings import paint_thing
from segtutor.data.toyworld import CLASSES, World, place_things

PALETTE = (  # Okabe and Ito's, which colour-blind readers can tell apart; grey for their black
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (80, 80, 80),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
LENGTHS = {"train": 1024, "val": 256, "test": 256}
SMALLEST = 32  # pixels; below this a person is thinner than a pixel


class ToyScenes:
    """Procedural outdoor scenes with 8 classes, and 255 on the borders between them.

    split: "train", "val" or "test"; no scene is in two of them, whatever their lengths. size:
    (H, W) pixels, at least 32 each. seed: another seed, another set of scenes. length: how many,
    None for 1024/256/256.

    Item i depends on (seed, split, i, size) only, not on the order of calls or on global random
    states. At another size of the same shape it is the same scene, taken with more or fewer pixels.
    Painting is slower than reading: keep samples that you need again.
    """

    name = "toyscenes"
    classes = CLASSES
    palette = PALETTE
    ignore = IGNORE

    def __init__(
        self,
        split: str = "train",
        *,
        size: tuple[int, int] = (128, 128),
        seed: int = 0,
        length: int | None = None,
    ):
        if split not in LENGTHS:
            raise ValueError(f"unknown ToyScenes split {split!r}; there are {', '.join(LENGTHS)}")
        if min(size) < SMALLEST:
            raise ValueError(
                f"ToyScenes of {size[0]}x{size[1]} pixels are too small to show a person: "
                f"ask for at least {SMALLEST}x{SMALLEST}"
            )
        if seed < 0:
            raise ValueError(f"seed is {seed}, expected 0 or more")
        self.split, self.size, self.seed = split, tuple(size), seed
        self.length = LENGTHS[split] if length is None else length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        if not -self.length <= index < self.length:
            raise IndexError(f"scene {index} of a split with {self.length}")
        index %= self.length
        rng = np.random.default_rng([self.seed, list(LENGTHS).index(self.split), index])
        image, label = paint_scene(rng, *self.size)  # (3, H, W), (H, W)
        return Sample(
            image=torch.from_numpy(image),
            label=torch.from_numpy(label),
            name=f"{self.split}-{index:05d}",
        )


def paint_scene(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """One scene, decided by the generator alone: RGB (3, H, W) and classes (H, W), both uint8."""
    world = World(rng, width / height)
    things = place_things(rng, world)
    canvas = Canvas(world, height, width)
    paint_sky(canvas, rng)
    paint_backdrop(canvas, rng)
    paint_ground(canvas, rng, things)
    for thing in things:  # far to near
        paint_thing(canvas, rng, thing)
    return develop(canvas.rgb, rng), ignore_borders(canvas.label)
