"""The world behind ToyScenes: light, camera, ground, and the things that stand on it, drawn by lot.

Taught in   : nowhere; chapter 00 shows the pictures

The camera is a pinhole c metres above flat ground. The ground point X metres to the right and Z
metres ahead lands at x = f X / Z right of the middle and y = f c / Z below the horizon. So far
things are small and near things hide far ones, for free. Lengths are in metres or in image heights,
never in pixels: what is drawn by lot does not depend on the size of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

CLASSES = ("sky", "building", "tree", "grass", "road", "water", "car", "person")
SKY, BUILDING, TREE, GRASS, ROAD, WATER, CAR, PERSON = range(len(CLASSES))
FOCAL = 1.1  # f in image heights: 49 degrees from top to bottom
NOWHERE = 1e4  # metres: farther than anything

# colours of zenith, horizon (and haze) and sunlight; brightness of shadows; are windows lit?
SKIES = (
    ((0.20, 0.44, 0.82), (0.70, 0.83, 0.95), (1.08, 1.05, 1.00), 0.52, False),  # noon
    ((0.36, 0.60, 0.88), (0.86, 0.91, 0.92), (1.05, 1.04, 1.01), 0.58, False),  # milky blue
    ((0.60, 0.65, 0.71), (0.83, 0.86, 0.88), (0.94, 0.96, 0.97), 0.86, False),  # overcast
    ((0.38, 0.45, 0.54), (0.70, 0.73, 0.74), (0.84, 0.87, 0.90), 0.85, False),  # before the rain
    ((0.38, 0.52, 0.78), (0.99, 0.83, 0.60), (1.10, 0.95, 0.76), 0.50, False),  # late afternoon
    ((0.25, 0.27, 0.50), (0.95, 0.62, 0.46), (0.82, 0.70, 0.70), 0.72, True),  # dusk
)


@cache
def texture(slope: float) -> np.ndarray:
    """Noise that tiles, (512, 512), mean 0, deviation 1.

    Amplitude falls as 1/frequency^slope: 2 looks like clouds, 1 like leaves, 0 like salt.
    """
    spectrum = np.fft.rfft2(np.random.default_rng(7).normal(size=(512, 512)))  # (512, 257)
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512))  # (512, 257)
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(spectrum * frequency**-slope)  # (512, 512)
    return (noise / noise.std()).astype(np.float32)


def look_up(slope: float, u, v) -> np.ndarray:
    """The texture at column u and row v, any real numbers: it repeats every 512."""
    return texture(slope)[np.int32(v) & 511, np.int32(u) & 511]


def pick(rng: np.random.Generator, options: tuple, odds: tuple):
    """One of the options, as the Python object it is: numpy's scalars would make arrays float64."""
    return options[int(rng.choice(len(options), p=odds))]


def sign(rng: np.random.Generator) -> float:
    """-1 or 1."""
    return 1.0 if rng.random() < 0.5 else -1.0


class World:
    """Everything but the things: light, camera, road and water."""

    def __init__(self, rng: np.random.Generator, aspect: float):
        self.aspect = aspect  # width of the picture / height
        self.horizon = rng.uniform(0.32, 0.5)  # image heights from the top
        self.eye = rng.uniform(1.6, 2.6)  # c

        zenith, horizon, sun, self.shade, self.lit = pick(
            rng, SKIES, (0.24, 0.2, 0.16, 0.12, 0.17, 0.11)
        )
        tints = rng.normal(0, 0.025, (3, 3))
        colours = np.float32(np.add((zenith, horizon, sun), tints))  # (3, 3)
        self.zenith, self.haze, self.sun = colours[..., None, None]  # each (3, 1, 1)
        self.sun_side = sign(rng)  # 1: on the right
        self.sun_x = rng.uniform(0.5, 1.6) * self.sun_side  # metres of shadow per metre of height
        self.sun_z = rng.uniform(-0.9, 0.9)
        self.fog = 10 ** rng.uniform(-3, -1.9)  # 1/m

        self.road = pick(rng, ("along", "across", ""), (0.45, 0.33, 0.22))
        self.half = rng.uniform(2.2, 4.2)  # half its width
        self.start, self.slope, self.bend = rng.uniform(-3, 3), rng.uniform(-0.3, 0.3), 0.0
        if self.road == "along":
            self.bend = rng.uniform(-0.008, 0.008)
        if self.road == "across":
            self.start, self.slope = rng.uniform(5, 8) + self.half, rng.uniform(-0.15, 0.15)

        self.water = pick(rng, ("side", "across", ""), (0.3, 0.3, 0.4))
        if self.road == "along" and self.water:
            self.water = "side"
        self.side, self.shore = sign(rng), rng.uniform(0.5, 4)
        if self.road == "along":
            self.shore = self.half + rng.uniform(0.8, 4)
        elif self.water == "across":
            after_road = self.start + self.half + rng.uniform(1, 4)
            self.shore = after_road if self.road else rng.uniform(7, 13)
        self.far_shore = pick(rng, (rng.uniform(35, 90), NOWHERE), (0.6, 0.4))
        self.wobble = float(rng.integers(512))

    def middle(self, Z):
        """X of the road that runs along the view (or of the river, where there is none)."""
        return self.start + self.slope * Z + self.bend * Z * Z

    def off_road(self, X, Z):
        """Metres to the road, negative on it."""
        if self.road == "along":
            return np.abs(X - self.middle(Z)) - self.half
        if self.road == "across":
            return np.abs(Z - self.start - self.slope * X) - self.half
        return X * 0 + NOWHERE

    def off_water(self, X, Z):
        """Metres to the shore, negative on the water."""
        if self.water == "side":
            shore = self.shore + 0.8 * look_up(2, Z * 3 + self.wobble, self.wobble)
            return shore - self.side * (X - self.middle(Z))
        if self.water == "across":
            shore = self.shore + self.slope * X + 0.5 * look_up(2, X * 4 + self.wobble, self.wobble)
            return np.maximum(shore - Z, Z - self.far_shore)
        return X * 0 + NOWHERE

    def ground(self, X, Z) -> np.ndarray:
        """Class of the ground at points."""
        dry = np.where(self.off_water(X, Z) < 0, WATER, GRASS)
        return np.where(self.off_road(X, Z) < 0, ROAD, dry)

    def view(self, Z: float) -> float:
        """Half the width of what the camera sees at that distance."""
        return Z * self.aspect / 2 / FOCAL


@dataclass
class Thing:
    """Something on the ground. X: its middle; Z: its front; then its sizes; all in metres."""

    kind: int
    X: float
    Z: float
    width: float
    height: float
    depth: float

    def touches(self, other: Thing, gap: float = 0.4) -> bool:
        """Do their places on the ground overlap, or nearly?"""
        beside = abs(self.X - other.X) > (self.width + other.width) / 2 + gap
        behind = self.Z > other.Z + other.depth + gap or other.Z > self.Z + self.depth + gap
        return not (beside or behind)


def place_things(rng: np.random.Generator, world: World) -> list[Thing]:
    """Buildings, cars, persons and trees, each where it belongs; far ones first."""
    things: list[Thing] = []

    def far(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))  # near and far equally often

    def add(thing: Thing, *allowed: int) -> bool:
        X = thing.X + thing.width / 2 * np.float32([-1, 0, 1, -1, 0, 1])  # corners and middles
        Z = thing.Z + thing.depth * np.float32([0, 0, 0, 1, 1, 1])
        fits = not any(map(thing.touches, things)) and set(world.ground(X, Z).tolist()) <= {
            *allowed
        }
        if fits:
            things.append(thing)
        return fits

    tall = far(4, 14)
    if world.road == "along":  # houses line the road
        for side in (-1, 1):
            Z = rng.uniform(7, 16)
            for _ in range(pick(rng, (0, 2, 4), (0.25, 0.35, 0.4))):
                width, depth = rng.uniform(5, 11), rng.uniform(6, 13)
                kerb = max(side * world.middle(Z), side * world.middle(Z + depth)) + world.half
                X = side * (kerb + rng.uniform(1.2, 4) + width / 2)
                add(Thing(BUILDING, X, Z, width, tall * rng.uniform(0.6, 1.5), depth), GRASS)
                Z += depth + rng.uniform(0.5, 6)
    elif rng.random() < 0.8:  # a row of houses faces us
        row = rng.uniform(13, 24)
        if world.road == "across":
            row = world.start + world.half + rng.uniform(2, 7) + abs(world.slope) * 8
        X = -world.view(row) - rng.uniform(0, 6)
        while X < world.view(row):
            width, Z = rng.uniform(5, 12), row + rng.uniform(0, 2)
            house = Thing(BUILDING, X + width / 2, Z, width, tall * rng.uniform(0.6, 1.5), 7)
            if rng.random() < 0.65:
                add(house, GRASS)
            X += width + rng.uniform(0.3, 5)

    for _ in range(rng.integers(1, 5) if world.road else 0):
        if world.road == "along":
            Z = far(4.5, 16)
            X = world.middle(Z) + sign(rng) * world.half * rng.uniform(0.4, 0.6)
            add(Thing(CAR, X, Z, 1.8, 1.5, 3.0), ROAD)
        else:
            X = rng.uniform(-1, 1) * world.view(world.start)
            Z = world.start + world.slope * X + sign(rng) * world.half * 0.45
            add(Thing(CAR, X, Z, 4.3, 1.5, 0.5), ROAD)

    # kind, how many at least and at most, nearest and farthest
    for kind, low, high, near, end in ((PERSON, 1, 4, 3.9, 8), (TREE, 2, 8, 6.5, 36)):
        wanted = rng.integers(low, high + 1)
        for _ in range(4 * wanted):
            Z = far(near, end)
            X, size = rng.uniform(-1, 1) * world.view(Z), rng.random()
            if kind == PERSON:
                thing = Thing(kind, X, Z, 0.6, 1.75 if size < 0.8 else 1.2, 0.2)
                wanted -= add(thing, GRASS, ROAD)
            else:
                tall = 3.5 + 7 * size if size < 0.8 else 1 + 5 * (size - 0.8)  # a tree or a bush
                wanted -= add(Thing(kind, X, Z, 0.5 * tall, tall, 0.5), GRASS)
            if wanted == 0:
                break
    return sorted(things, key=lambda thing: -thing.Z)
