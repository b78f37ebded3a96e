"""ToyScenes: outdoor scenes painted by numpy, so that every chapter has pictures to learn from without a download.

Taught in   : chapter 00 trains on them; every chapter falls back to them when real data is missing
Licence     : made by this file; do with the pictures what you like

A scene is a small 3-D world seen through a pinhole camera. Ground point (X, 0, Z) metres lands at x = f X / Z and
y = f c / Z below the horizon (c: height of the camera), so far things are small and near things hide far ones: we
paint from far to near, image and label together. Light, weather and the colour of every thing vary on purpose: cars
may be green, walls brown as earth, water grey as asphalt. Colour alone tells little; texture, shape and place tell more.

All lengths are in metres or image heights, never in pixels: scene i is the same scene at every size.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from segtutor.data.dataset import IGNORE, Sample

CLASSES = ("sky", "building", "tree", "grass", "road", "water", "car", "person")
SKY, BUILDING, TREE, GRASS, ROAD, WATER, CAR, PERSON = range(len(CLASSES))
PALETTE = (  # Okabe and Ito's colours, which colour-blind readers can tell apart
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
FOCAL = 1.1  # f in image heights: 49 degrees from top to bottom


class ToyScenes:
    """Procedural outdoor scenes with 8 classes.

    split: "train", "val" or "test"; no scene is in two of them, whatever their lengths. size: (H, W) pixels of image
    and label, at least 32 each. seed: another seed, another world. length: number of scenes, None for 1024/256/256.
    Item i depends on (seed, split, i, size) only, not on the order of calls or on global random states.
    Drawing takes about 5 ms at 96x96; keep the samples in a list if you need them again.
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
            raise IndexError(f"scene {index} of {self.length}")
        index %= self.length
        rng = np.random.default_rng([self.seed, list(LENGTHS).index(self.split), index])
        image, label = paint_scene(rng, *self.size)  # (H, W, 3), (H, W)
        return Sample(
            torch.from_numpy(image).permute(2, 0, 1).contiguous(),  # (3, H, W)
            torch.from_numpy(label),  # (H, W)
            f"{self.split}-{index:05d}",
        )


# ---- tools: textures, outlines, colours ------------------------------------------------------------------------------


@lru_cache(maxsize=None)
def texture(slope: float) -> np.ndarray:
    """(512, 512) noise that tiles, mean 0, deviation 1; amplitude ~ 1/frequency^slope (2: clouds, 1: leaves)."""
    spectrum = np.fft.rfft2(np.random.default_rng(7).normal(size=(512, 512)))  # (512, 257)
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512))  # (512, 257)
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(spectrum * frequency**-slope)  # (512, 512)
    return (noise / noise.std()).astype(np.float32)


def look_up(slope: float, u, v) -> np.ndarray:
    """The texture at column u and row v, any real numbers: it repeats every 512."""
    return texture(slope)[np.int32(v) & 511, np.int32(u) & 511]


def mix(a, b, share):
    """a where share is 0, b where it is 1. A share without the colour axis gets one."""
    share = share[..., None] if isinstance(share, np.ndarray) else share
    return a + (b - a) * share


def cover(distance, pixel) -> np.ndarray:
    """Part of each pixel inside an outline, given signed distance (negative inside) and pixel side in one unit."""
    return np.clip(0.5 - distance / pixel, 0, 1)


def stripe(distance, width: float, pixel) -> np.ndarray:
    """Part of each pixel under a line; a line thinner than a pixel turns pale instead of jagged."""
    return np.clip((width / 2 - np.abs(distance)) / pixel + 0.5, 0, np.minimum(1, width / pixel))


def segment(u, v, a, b, radius: float) -> np.ndarray:
    """Signed distance to a thick line from point a to point b."""
    du, dv = b[0] - a[0], b[1] - a[1]
    t = np.clip(((u - a[0]) * du + (v - a[1]) * dv) / (du * du + dv * dv), 0, 1)
    return np.hypot(u - a[0] - t * du, v - a[1] - t * dv) - radius


def slab(u, v, left, right, low, high, lean=0.0) -> np.ndarray:
    """Signed distance (about) to a rectangle whose sides lean inwards by `lean` metres per metre of height."""
    side = np.abs(u - (left + right) / 2) - (right - left) / 2 + lean * (v - low)
    return np.maximum(side, np.abs(v - (low + high) / 2) - (high - low) / 2)


def hsv(rng, hue, saturation, value) -> np.ndarray:
    """A random colour from three (low, high) ranges: RGB in 0..1, (3,)."""
    h, s, v = (rng.uniform(*limits) for limits in (hue, saturation, value))
    return np.float32(colorsys.hsv_to_rgb(h % 1, s, v))


# ---- the world: light, camera, ground --------------------------------------------------------------------------------

# zenith, horizon, sunlight, brightness of shadows, lit windows
SKIES = (
    ((0.22, 0.44, 0.80), (0.70, 0.82, 0.93), (1.04, 1.02, 0.98), 0.52, False),  # noon
    ((0.36, 0.60, 0.86), (0.86, 0.90, 0.90), (1.02, 1.02, 1.00), 0.58, False),  # milky blue
    ((0.58, 0.62, 0.67), (0.80, 0.82, 0.84), (0.86, 0.88, 0.90), 0.86, False),  # overcast
    ((0.34, 0.40, 0.48), (0.66, 0.68, 0.68), (0.74, 0.77, 0.80), 0.85, False),  # before the rain
    ((0.40, 0.52, 0.74), (0.98, 0.80, 0.58), (1.06, 0.90, 0.70), 0.50, False),  # late afternoon
    ((0.24, 0.24, 0.44), (0.92, 0.55, 0.42), (0.72, 0.60, 0.62), 0.72, True),  # dusk
)


class World:
    """Everything drawn by lot before the first pixel: light, camera, road, water."""

    def __init__(self, rng, aspect: float):
        zenith, horizon, sun, shade, self.lit = SKIES[rng.integers(len(SKIES))]
        tint = rng.normal(0, 0.025, (3, 3))
        self.zenith, self.haze, self.sun = np.float32(np.add((zenith, horizon, sun), tint))
        self.shade = shade
        self.sun_x, self.sun_z = rng.uniform(0.5, 1.6) * rng.choice((-1, 1)), rng.uniform(-0.9, 0.9)
        self.fog = 10 ** rng.uniform(-2.9, -1.75)  # 1/m
        self.clouds = rng.uniform(-0.9, 1.6)
        self.horizon = rng.uniform(0.34, 0.54)  # image heights from the top
        self.eye = rng.uniform(1.7, 3.2)  # c, metres above the ground
        self.aspect = aspect

        self.road = rng.choice(("along", "across", ""), p=(0.45, 0.33, 0.22))
        self.half = rng.uniform(2.2, 4.2)  # of the road's width
        self.start, self.slope = rng.uniform(-3, 3), rng.uniform(-0.3, 0.3)
        self.bend = rng.uniform(-0.008, 0.008) if self.road == "along" else 0.0
        if self.road == "across":
            self.start, self.slope = rng.uniform(6.0, 9.5) + self.half, rng.uniform(-0.15, 0.15)

        self.water = rng.choice(("side", "across", ""), p=(0.3, 0.3, 0.4))
        if self.water == "across" and self.road == "along":
            self.water = "side"
        self.side = rng.choice((-1, 1))
        self.shore = rng.uniform(0.5, 4.0)
        if self.water == "side" and self.road == "along":
            self.shore = self.half + rng.uniform(0.8, 4.0)
        if self.water == "across":
            self.shore = rng.uniform(5.5, 11)
            if self.road == "across":
                self.shore = self.start + self.half + rng.uniform(1.0, 4.0)
        self.far_shore = rng.choice((rng.uniform(35, 90), 1e4))
        self.wobble = rng.integers(512)

    def off_road(self, X, Z):
        """Metres from the road's edge, negative on the road."""
        if self.road == "along":
            return np.abs(X - self.middle(Z)) - self.half
        if self.road == "across":
            return np.abs(Z - self.start - self.slope * X) - self.half
        return X * 0 + 1e3

    def middle(self, Z):
        return self.start + self.slope * Z + self.bend * Z * Z

    def off_water(self, X, Z):
        """Metres from the shore, negative on the water."""
        if self.water == "side":
            bank = self.shore + 0.8 * look_up(2, Z * 3 + self.wobble, self.wobble)
            return np.maximum(bank - self.side * (X - self.middle(Z)), 0 * X - 1e4)
        if self.water == "across":
            bank = self.shore + (self.slope * X if self.road else 0)
            bank = bank + 0.5 * look_up(2, X * 4 + self.wobble, self.wobble)
            return np.maximum(bank - Z, Z - self.far_shore)
        return X * 0 + 1e3

    def ground(self, X: float, Z: float) -> int:
        """Class of the ground at a point."""
        X, Z = np.float64(X), np.float64(Z)
        return ROAD if self.off_road(X, Z) < 0 else WATER if self.off_water(X, Z) < 0 else GRASS


@dataclass
class Thing:
    """Something that stands on the ground. X: its middle; Z: its front; sizes in metres; depth: its extent along Z."""

    kind: int
    X: float
    Z: float
    width: float
    height: float
    depth: float = 0.5


def place_things(rng, world: World) -> list[Thing]:
    """Buildings, trees, cars and persons where each belongs, nearest last."""
    things: list[Thing] = []

    def view(Z):  # half of what the camera sees at that distance
        return Z * world.aspect / 2 / FOCAL

    def log_uniform(low, high):
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def free(X, Z, width, depth, *, on, gap=0.4):
        corners = [(X + s * width / 2, z) for s in (-1, 0, 1) for z in (Z, Z + depth)]
        return all(world.ground(*c) in on for c in corners) and all(
            abs(X - t.X) > (width + t.width) / 2 + gap
            or Z > t.Z + t.depth + gap
            or Z + depth < t.Z - gap
            for t in things
        )

    def add(kind, X, Z, width, height, depth, on):
        if free(X, Z, width, depth, on=on):
            things.append(Thing(kind, X, Z, width, height, depth))

    tall = log_uniform(4, 14)
    if world.road == "along":  # rows of houses on both sides
        for side in (-1, 1):
            Z = rng.uniform(7, 16)
            for _ in range(rng.choice((0, 2, 4), p=(0.3, 0.35, 0.35))):
                width, depth = rng.uniform(5, 11), rng.uniform(6, 13)
                edge = max(side * world.middle(Z), side * world.middle(Z + depth)) + world.half
                X = side * (edge + rng.uniform(1.2, 4) + width / 2)
                add(BUILDING, X, Z, width, tall * rng.uniform(0.6, 1.5), depth, (GRASS,))
                Z += depth + rng.uniform(0.5, 6)
    elif rng.random() < 0.75:  # one row that faces us
        Z = rng.uniform(13, 26)
        if world.road == "across":
            Z = world.start + world.half + rng.uniform(2, 7) + abs(world.slope) * 8
        X = -view(Z) - rng.uniform(0, 6)
        while X < view(Z):
            width = rng.uniform(5, 12)
            if rng.random() < 0.62:
                high = tall * rng.uniform(0.6, 1.5)
                near = Z + rng.uniform(0, 2)
                add(BUILDING, X + width / 2, near, width, high, rng.uniform(4, 10), (GRASS,))
            X += width + rng.uniform(0.3, 5)
    if world.road:
        for _ in range(rng.integers(1, 5)):
            if world.road == "along":
                Z = log_uniform(5.5, 22)
                X = world.middle(Z) + rng.choice((-1, 1)) * world.half * rng.uniform(0.4, 0.6)
                add(CAR, X, Z, 1.8, 1.5, 3.0, (ROAD,))
            else:
                X = rng.uniform(-1, 1) * view(world.start)
                Z = world.start + world.slope * X + rng.choice((-1, 1)) * world.half * 0.45
                add(CAR, X, Z, 4.3, 1.5, 0.5, (ROAD,))
    for _ in range(rng.integers(1, 5)):
        Z = log_uniform(4.4, 11)
        X = rng.uniform(-0.95, 0.95) * view(Z)
        add(PERSON, X, Z, 0.6, 1.75 * rng.choice((1, 1, 1, 0.7)), 0.2, (GRASS, ROAD))
    for _ in range(rng.integers(1, 8)):
        Z = log_uniform(6.5, 40)
        high = rng.uniform(3.5, 9) if rng.random() < 0.8 else rng.uniform(1, 2)
        add(TREE, rng.uniform(-1.05, 1.05) * view(Z), Z, 0.5 * high, high, 0.5, (GRASS,))
    return sorted(things, key=lambda t: -t.Z)


# ---- painting --------------------------------------------------------------------------------------------------------


class Canvas:
    """Image and label under the brush, with the place of every pixel: x to the right of the middle, y below the horizon."""

    def __init__(self, world: World, height: int, width: int):
        self.world, self.pixel = world, 1 / height
        self.x = ((np.arange(width) + 0.5 - width / 2) / height).astype(np.float32)  # (W,)
        self.y = ((np.arange(height) + 0.5) / height - world.horizon).astype(np.float32)  # (H,)
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.label = np.full((height, width), SKY, np.uint8)

    def window(self, left, right, top, bottom) -> tuple[slice, slice]:
        """Rows and columns between those limits, and one pixel more."""
        rows = np.searchsorted(self.y, (top - self.pixel, bottom + self.pixel))
        cols = np.searchsorted(self.x, (left - self.pixel, right + self.pixel))
        return slice(*rows), slice(*cols)

    def paint(self, where, alpha, colour, kind: int, depth) -> None:
        """Lay a colour over the picture, paler with distance. alpha: (h, w) of the window `where`."""
        colour = mix(colour, self.world.haze, 1 - np.exp(-self.world.fog * depth))
        self.rgb[where] = mix(self.rgb[where], colour, alpha)
        self.label[where][alpha > 0.5] = kind


def paint_sky(canvas: Canvas, rng) -> None:
    world, x, up = canvas.world, canvas.x[None], np.maximum(-canvas.y[:, None], 0)
    share = np.clip(up / world.horizon, 0, 1) ** 0.6  # (H, 1)
    sky = mix(world.haze, world.zenith, share * np.ones_like(x))  # (H, W, 3)
    u, v = rng.uniform(0, 512, 2)
    scale = rng.uniform(18, 40) / (up + 0.12)  # a flat layer of clouds, smaller towards the horizon
    cloud = look_up(1.6, u + 200 + x * scale, v + scale * 1.5)  # (H, W)
    thick = np.clip((cloud + world.clouds - 0.6) * 0.7, 0, 1) * np.clip(up * 8, 0, 1)
    white = np.clip(1.1 - 0.2 * cloud, 0.7, 1)[..., None] * world.sun  # thick clouds are grey below
    glow = np.exp(-((x - world.sun_x / 3) ** 2 + (up - 0.25) ** 2) * rng.uniform(6, 30))
    canvas.rgb[:] = mix(mix(sky, white, 0.85 * thick), world.sun, 0.35 * glow)


def paint_backdrop(canvas: Canvas, rng) -> None:
    """A distant wood or town along the horizon, or nothing."""
    kind = rng.choice((TREE, BUILDING, SKY), p=(0.5, 0.25, 0.25))
    if kind == SKY:
        return
    u, base, wave = rng.uniform(0, 512), rng.uniform(0.03, 0.1), rng.uniform(0.01, 0.04)
    y, x = canvas.y[:, None], canvas.x[None]
    if kind == TREE:
        top = base + wave * look_up(1.5, u + x * 60, u) + 0.01 * look_up(1, u + x * 300, u)
        colour = hsv(rng, (0.2, 0.42), (0.2, 0.6), (0.2, 0.4))
        shine = 1 + 0.22 * look_up(1, u + x * 350, y * 500)
    else:
        cell = rng.uniform(0.05, 0.12)
        top = base + wave * 1.3 * look_up(0, u + x / cell, u)
        colour = hsv(rng, (0, 1), (0, 0.25), (0.4, 0.8))
        shine = 1 + 0.12 * look_up(0, u + x / cell, 9) + 0.15 * look_up(0, x * 90, y * 70)
    alpha = cover(-y - np.maximum(top, 0.01), canvas.pixel) * (y < 0)  # (H, W)
    colour = colour * canvas.world.sun * shine[..., None]
    canvas.paint((slice(None), slice(None)), alpha, colour, kind, depth=90)


def paint_ground(canvas: Canvas, rng, things: list[Thing]) -> None:
    world = canvas.world
    first = int(np.searchsorted(canvas.y, 0))
    x, y = canvas.x[None], canvas.y[first:, None]
    Z = FOCAL * world.eye / y + 0 * x  # (h, W)
    X = x * Z / FOCAL  # (h, W)
    pixel = Z * canvas.pixel / FOCAL  # side of a pixel across the view, metres
    pixel_z = pixel * Z / world.eye  # and along it
    u, v = rng.uniform(0, 512, 2)
    fine = look_up(0.6, u + X * 22, v + Z * 9) / (1 + Z / 14)  # (h, W)
    coarse = look_up(1.5, u + X * 5, v + Z * 4)

    dry = rng.choice((0, 0, 1))
    green = hsv(rng, (0.2, 0.36), (0.25, 0.65), (0.32, 0.62))
    straw = hsv(rng, (0.09, 0.18), (0.2, 0.5), (0.45, 0.7))
    grass = mix(green, straw, np.clip(0.75 * dry + 0.3 * coarse, 0, 1))
    blades = look_up(0.8, u + x * 300, v + y * 130)
    colour = grass * (1 + 0.16 * fine + 0.16 * blades)[..., None]  # (h, W, 3)
    label = np.full(Z.shape, GRASS, np.uint8)

    edge = world.off_water(X, Z)
    alpha = cover(edge, pixel if world.water == "side" else pixel_z)
    if world.water:
        # at rest, water shows what stands above the horizon upside down; waves shake and darken it
        waves = look_up(1.0, u + X * 3, v + 60 * np.log(Z) + 2 * X)
        rows = first - 1 - np.int32((y + 0.012 * waves) / canvas.pixel * 0.9)
        mirror = canvas.rgb[np.clip(rows, 0, first - 1), np.arange(len(canvas.x))]  # (h, W, 3)
        deep = hsv(rng, (0.3, 0.65), (0.1, 0.6), (0.2, 0.5)) * world.sun
        clear = np.clip(0.25 + 0.55 * np.exp(-y * rng.uniform(1, 4)) + 0.12 * waves, 0, 1)
        water = mix(deep, mirror, clear) * (1 + 0.07 * waves)[..., None]
        wet = np.clip(1 - edge / 0.8, 0, 1)  # the bank is darker
        colour = mix(colour * (1 - 0.35 * wet[..., None]), water, alpha)
        label[alpha > 0.5] = WATER
    still = alpha[..., None]

    edge = world.off_road(X, Z)
    if world.road:
        dirt = rng.random() < 0.25
        grey = hsv(rng, (0.05, 0.65), (0, 0.12), (0.3, 0.62))
        base = hsv(rng, (0.05, 0.13), (0.2, 0.5), (0.35, 0.65)) if dirt else grey
        across = edge if world.road == "across" else X - world.middle(Z)
        along = X if world.road == "across" else Z
        side = pixel_z if world.road == "across" else pixel
        road = base * (1 + 0.10 * fine + 0.06 * coarse)[..., None]
        puddle = np.clip(look_up(1.6, u + X * 9, v + Z * 5) * 2 - rng.uniform(1.5, 6), 0, 0.8)
        road = mix(road, world.zenith, puddle)
        if not dirt:
            dash = 1.0 * (np.mod(along, 6) < rng.choice((3, 6)))
            middle = edge + world.half if world.road == "across" else across
            lines = stripe(middle, 0.14, side) * dash
            lines = lines + rng.choice((0, 1)) * stripe(edge + 0.35, 0.12, side)
            road = mix(road, np.float32([0.92, 0.92, 0.86]), np.clip(lines, 0, 0.9))
        alpha = cover(edge, side)
        colour = mix(colour, road, alpha)
        still = still * (1 - alpha[..., None])
        label[alpha > 0.5] = ROAD

    light = shadows(world, things, X, Z, pixel_z)
    sunny = colour * world.sun * (1 - (1 - world.shade) * light)[..., None]
    colour = mix(sunny, colour, 0.8 * still[..., 0])  # the mirror is bright already
    everywhere = (slice(first, None), slice(None))
    canvas.paint(everywhere, np.ones_like(Z), colour, GRASS, depth=Z)
    canvas.label[first:] = label


def shadows(world: World, things: list[Thing], X, Z, pixel) -> np.ndarray:
    """0 in the sun, 1 in a shadow, and a dark rim where things touch the ground. (h, W)"""
    dark = np.zeros_like(X)
    for t in things:
        high = min(t.height, 8)
        toe = (t.X - world.sun_x * high, t.Z + t.depth / 2 - world.sun_z * high)
        if t.kind == BUILDING:  # is the way to the sun, as far as the roof, barred by the box?
            near_x, far_x = ((t.X - s * t.width / 2 - X) / (world.sun_x * high) for s in (1, -1))
            near_z, far_z = ((z - Z) / (world.sun_z * high + 1e-3) for z in (t.Z, t.Z + t.depth))
            enter = np.maximum(np.minimum(near_x, far_x), np.minimum(near_z, far_z))
            leave = np.minimum(np.maximum(near_x, far_x), np.maximum(near_z, far_z))
            inside = (enter < leave) & (enter < 1) & (leave > 0)
            dark = np.maximum(dark, 0.9 * inside)
        else:
            radius = 0.45 * t.width
            foot = (t.X, t.Z + t.depth / 2)
            if t.kind == TREE:
                foot = (foot[0] - (foot[0] - toe[0]) * 0.6, foot[1] - (foot[1] - toe[1]) * 0.6)
            distance = segment(X, Z, foot, toe, radius)
            dark = np.maximum(dark, 0.8 * np.clip(0.5 - distance / (0.3 + pixel), 0, 1))
            distance = np.hypot(X - t.X, (Z - t.Z - t.depth / 2) * 0.8) - 0.5 * t.width
            dark = np.maximum(dark, 0.7 * np.clip(-distance / 0.4, 0, 1))
    return dark


def paint_thing(canvas: Canvas, rng, thing: Thing) -> None:
    if thing.kind == BUILDING:
        return paint_building(canvas, rng, thing)
    world, scale = canvas.world, FOCAL / thing.Z  # image heights per metre
    foot = world.eye * scale  # below the horizon
    x, wide = thing.X * scale, thing.width * scale * 0.75
    where = canvas.window(x - wide, x + wide, foot - thing.height * 1.1 * scale, foot)
    u = (canvas.x[None, where[1]] - x) / scale  # metres right of its middle
    v = (foot - canvas.y[where[0], None]) / scale  # metres above the ground
    drawing = {TREE: draw_tree, CAR: draw_car, PERSON: draw_person}[thing.kind]
    alpha, colour = drawing(rng, world, thing, u, v, canvas.pixel / scale)
    canvas.paint(where, alpha, colour * world.sun, thing.kind, thing.Z)


def draw_tree(rng, world, thing, u, v, pixel):
    h, conifer = thing.height, rng.random() < 0.3
    season = rng.choice(3, p=(0.6, 0.2, 0.2))
    hue = ((0.19, 0.38), (0.02, 0.13), (0.27, 0.45))[season]
    leaf = hsv(rng, hue, (0.3, 0.75), (0.25, 0.6))
    bark = hsv(rng, (0.04, 0.1), (0.1, 0.5), (0.15, 0.4))
    a, b = rng.uniform(0, 512, 2)
    leaves = look_up(0.9, a + u * 130 / h, b + v * 130 / h)
    crown, sunny = np.full(np.broadcast(u, v).shape, 9.0, np.float32), 0 * (u + v)
    if conifer:
        tooth = np.mod(v / h * rng.integers(4, 7), 1)
        crown = np.maximum(np.abs(u) - (1.03 * h - v) * 0.27 * (1.1 - 0.4 * tooth), 0.12 * h - v)
        sunny = u / (0.25 * h) * np.sign(world.sun_x)
    else:
        low = 0.25 if h < 2.5 else rng.uniform(0.5, 0.6)
        for _ in range(7):
            cu, cv, r = (
                rng.normal(0, 0.12) * h,
                rng.uniform(low, 0.82) * h,
                rng.uniform(0.13, 0.2) * h,
            )
            distance = np.hypot(u - cu, v - cv) - r
            sunny = np.where(
                distance < crown, ((u - cu) * np.sign(world.sun_x) + v - cv) / r, sunny
            )
            crown = np.minimum(crown, distance)
    crown = crown + 0.022 * h * leaves
    trunk = segment(u, v, (0, 0), (0, 0.55 * h), 0.03 * h)
    depth = (1 - world.shade) * 0.5
    leaf = leaf * (0.95 + 0.13 * leaves + depth * np.clip(sunny, -1, 1))[..., None]
    colour = mix(bark * (1 + 0 * leaves)[..., None], leaf, cover(crown, pixel))
    return cover(np.minimum(crown, trunk), pixel), colour


def draw_car(rng, world, thing, u, v, pixel):
    paint = hsv(rng, (0, 1), (0, 0.85), (0.2, 0.9))
    glass = mix(np.float32([0.12, 0.14, 0.17]), world.zenith, rng.uniform(0.1, 0.5))
    van, front, way = rng.random() < 0.25, rng.random() < 0.5, rng.choice((-1, 1))
    if thing.width > 3:  # seen from the side
        wheels = np.minimum(np.hypot(u - 1.3, v - 0.33), np.hypot(u + 1.3, v - 0.33)) - 0.33
        body = slab(u, v, -2.1, 2.1, 0.28, 0.88, 0.08)
        if van:
            cabin = slab(u * way, v, -2.1, 1.6, 0.6, 1.75, 0.08)
            panes = slab(u * way, v, 0.3, 1.35, 1.05, 1.6, 0.1)
        else:
            cabin = slab(u * way, v, -1.65, 1.15, 0.85, 1.45, 0.62)
            panes = np.maximum(cabin + 0.09, 0.05 - np.abs(u * way + 0.2))
        lights = np.hypot(u * way - 2.0, v - 0.7) - 0.12
    else:
        wheels = slab(np.abs(u), v, 0.5, 0.85, 0, 0.4)
        body = slab(u, v, -0.88, 0.88, 0.22, 0.95, 0.02)
        cabin = slab(u, v, -0.85, 0.85, 0.9, 1.9 if van else 1.48, 0.1 if van else 0.35)
        panes = np.maximum(cabin + 0.1, 0.95 - v)
        lights = slab(np.abs(u), v, 0.55, 0.84, 0.62, 0.82)
    body = np.minimum(body, cabin)
    shine = 0.78 + 0.3 * np.clip(v / 1.0, 0, 1) + 0.15 * (np.abs(v - 0.85) < 0.06) + 0 * u
    colour = mix(paint * shine[..., None], glass, cover(panes, pixel))
    lamp = np.float32([0.95, 0.93, 0.8]) if front else np.float32([0.75, 0.08, 0.06])
    colour = mix(colour, lamp, cover(lights, pixel))
    tyre = np.float32([0.08, 0.08, 0.09]) * (1 + 3 * (wheels < -0.17))[..., None]
    colour = mix(colour, tyre, cover(wheels, pixel))
    return cover(np.minimum(body, wheels), pixel), colour


def draw_person(rng, world, thing, u, v, pixel):
    u, v, pixel = u * 1.75 / thing.height, v * 1.75 / thing.height, pixel * 1.75 / thing.height
    shirt, trousers = (
        hsv(rng, (0, 1), (0, 0.8), (0.2, 0.95)),
        hsv(rng, (0, 1), (0, 0.5), (0.1, 0.6)),
    )
    skin, hair = (
        hsv(rng, (0.04, 0.09), (0.3, 0.55), (0.35, 0.9)),
        hsv(rng, (0, 0.12), (0, 0.6), (0.08, 0.6)),
    )
    stride, swing, coat = rng.uniform(0.05, 0.28), rng.uniform(0.0, 0.3), rng.uniform(0.55, 0.9)
    legs = np.minimum(
        segment(u, v, (0.08, 0.85), (stride, 0.07), 0.095),
        segment(u, v, (-0.08, 0.85), (-stride, 0.07), 0.095),
    )
    torso = slab(u, v, -0.26, 0.26, coat, 1.45, 0.06)
    for s in (-1, 1):
        torso = np.minimum(
            torso, segment(u, v, (s * 0.25, 1.37), (s * (0.27 + swing / 2), 0.85), 0.07)
        )
    head = np.hypot(u / 0.85, v - 1.6) - 0.14
    shape = 1 + 0.12 * np.clip(u * np.sign(world.sun_x) / 0.25, -1, 1) + 0 * v
    colour = mix(trousers * shape[..., None], shirt * shape[..., None], cover(torso, pixel))
    face = mix(skin, hair, cover(1.62 - v + 0 * u, pixel))
    colour = mix(colour, face, cover(head, pixel))
    return cover(np.minimum(np.minimum(legs, torso), head), pixel), colour


def paint_building(canvas: Canvas, rng, t: Thing) -> None:
    """A box: the front, and the side wall that faces the middle of the picture."""
    world = canvas.world
    left, right = t.X - t.width / 2, t.X + t.width / 2
    inner = left if left > 0 else right if right < 0 else 0.0  # X of the visible side wall
    roof = t.height * rng.uniform(0.25, 0.5) if t.height < 9 and rng.random() < 0.6 else 0.0
    hues = (((0, 0.07), (0.25, 0.6), (0.3, 0.6)), ((0.05, 0.16), (0.05, 0.45), (0.6, 0.95)),
            ((0, 1), (0, 0.12), (0.35, 0.85)), ((0, 1), (0.1, 0.5), (0.5, 0.9)),
            ((0.52, 0.62), (0.1, 0.4), (0.4, 0.75)))  # fmt: skip
    wall = hsv(rng, *hues[rng.integers(len(hues))])
    tiles = hsv(rng, (0, 0.07), (0.1, 0.65), (0.25, 0.55))
    period, storey = rng.uniform(1.6, 3.2), rng.uniform(2.7, 3.4)
    open_u, open_v = rng.uniform(0.35, 0.9), rng.uniform(0.4, 0.7)
    faces = (1.0, world.shade) if inner * world.sun_x > 0 else (0.5 + world.shade / 2, 1.0)
    ivy, a, b = rng.choice((9.0, rng.uniform(0.3, 1.5)), p=(0.7, 0.3)), *rng.uniform(0, 512, 2)

    near, far = FOCAL / t.Z, FOCAL / (t.Z + t.depth)  # image heights per metre
    ends = [left * near, right * near] + ([inner * far] if inner else [])
    top = (world.eye - t.height - roof) * (near if t.height + roof > world.eye else far)
    rows, cols = where = canvas.window(min(ends), max(ends), top, world.eye * near)
    x, y = canvas.x[None, cols], canvas.y[rows, None]
    side = (x < left * near) if inner == left else (x > right * near)
    side = side & (inner != 0)  # (1, w)
    Z = np.where(side, FOCAL * inner / np.where(side, x, 1), t.Z)  # (1, w) depth of the wall there
    pixel = Z * canvas.pixel / FOCAL
    u = np.where(side, Z - t.Z + 40 * period, x * Z / FOCAL - left)  # along the wall
    v = world.eye - y * Z / FOCAL  # (h, w) above the ground
    rim = np.maximum(min(ends) - x, x - max(ends)) * Z / FOCAL
    slope = np.where(side, 0, np.clip(np.minimum(u, t.width - u) / (0.35 * t.width), 0, 1) * roof)
    alpha = cover(np.maximum(rim, np.maximum(v - t.height - slope, -v)), pixel)

    grain = look_up(0.8, a + u * 14, b + v * 14) / (1 + t.Z / 25)
    light = np.where(side, faces[1], faces[0])
    colour = wall * (light * (1 + 0.06 * grain) * (0.8 + 0.2 * np.clip(v / 2, 0, 1)))[..., None]
    du, dv = np.mod(u, period) - period / 2, np.mod(v, storey) - storey * 0.55
    pane = np.maximum(np.abs(du) - open_u * period / 2, np.abs(dv) - open_v * storey / 2)
    seen = cover(pane, pixel) * (v < t.height - 0.3)
    each = look_up(0, a + np.floor(u / period), b + np.floor(v / storey))  # a number per window
    glass = mix(np.float32([0.1, 0.12, 0.16]), world.zenith, np.clip(0.3 + 0.25 * each, 0.05, 0.9))
    if world.lit:
        glass = mix(glass, np.float32([1.3, 1.05, 0.6]), 1.0 * (each > 0.3))
    colour = mix(colour, glass, 0.9 * seen * np.clip(0.5 * period / pixel - 0.7, 0, 1))
    if roof:
        course = 1 + 0.12 * grain + 0.06 * (np.mod(v, 0.5) < 0.25)
        colour = mix(colour, tiles * course[..., None], cover(t.height - v, pixel) * ~side)
    green = look_up(1.4, a + u * 12, b + v * 12) - v / t.height * 1.5
    leaf = np.float32([0.25, 0.38, 0.16]) * (light * (1 + 0.3 * grain))[..., None]
    colour = mix(colour, leaf, np.clip((green - ivy + 1) * 4, 0, 1))
    canvas.paint(where, alpha, colour * world.sun, BUILDING, Z)


def develop(rgb: np.ndarray, rng) -> np.ndarray:
    """What a cheap camera does: white balance, contrast, darker corners, a little blur, noise. -> (H, W, 3) uint8"""
    H, W, _ = rgb.shape
    gain, gamma = rng.normal(1, 0.05, 3) * rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.25)
    fall, noise = rng.uniform(0, 0.3), rng.uniform(0.008, 0.03)
    y, x = np.linspace(-1, 1, H)[:, None], np.linspace(-1, 1, W)
    rgb = np.clip(rgb * np.float32(gain), 0, None) ** np.float32(gamma)
    rgb *= np.float32(1 - fall * (x * x + y * y) / 2)[..., None]
    rgb[1:-1] = 0.74 * rgb[1:-1] + 0.13 * (rgb[2:] + rgb[:-2])
    rgb[:, 1:-1] = 0.74 * rgb[:, 1:-1] + 0.13 * (rgb[:, 2:] + rgb[:, :-2])
    rgb += np.float32(noise) * rng.standard_normal(rgb.shape, np.float32)
    return np.uint8(np.clip(rgb, 0, 1) * 255 + 0.5)


def ignore_borders(label: np.ndarray) -> np.ndarray:
    """255 on both pixels of every pair of neighbours with different classes, as annotators leave borders out."""
    border = np.zeros(label.shape, bool)
    down, right = label[1:] != label[:-1], label[:, 1:] != label[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= right
    border[:, :-1] |= right
    return np.where(border, np.uint8(IGNORE), label)


def paint_scene(rng, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """One scene, all of it decided by the random generator: (H, W, 3) uint8 RGB and (H, W) uint8 classes."""
    world = World(rng, width / height)
    things = place_things(rng, world)
    canvas = Canvas(world, height, width)
    paint_sky(canvas, rng)
    paint_backdrop(canvas, rng)
    paint_ground(canvas, rng, things)
    for thing in things:  # far to near
        paint_thing(canvas, rng, thing)
    return develop(canvas.rgb, rng), ignore_borders(canvas.label)
