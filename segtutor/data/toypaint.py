"""The brush behind ToyScenes: tools, canvas, sky, ground and camera. For things see toythings.py.

Taught in   : nowhere; chapter 00 shows the pictures

Image and label are painted together, from far to near. Outlines are signed distances (negative
inside), which give soft edges at any size; what is far is paler.
"""

from __future__ import annotations

import colorsys

import numpy as np

from segtutor.data.dataset import IGNORE
from segtutor.data.toyworld import (
    BUILDING,
    FOCAL,
    GRASS,
    ROAD,
    SKY,
    TREE,
    WATER,
    Thing,
    World,
    look_up,
    pick,
)

Array = np.ndarray
Rng = np.random.Generator


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour that spreads over any window: (3, 1, 1)."""
    return np.float32([[[red]], [[green]], [[blue]]])


def colour_of(rng: Rng, hue, saturation, value) -> Array:
    """A random colour from (low, high) ranges of hue, saturation and value. (3, 1, 1)"""
    h, s, v = (rng.uniform(*limits) for limits in (hue, saturation, value))
    return rgb(*colorsys.hsv_to_rgb(h % 1, s, v))


def mix(a, b, share) -> Array:
    """a where share is 0, b where share is 1. Colours: (3, h, w) or (3, 1, 1); share: (h, w)."""
    return a + (b - a) * np.asarray(share, np.float32)


def length(a, b) -> Array:
    return np.sqrt(a * a + b * b)  # several times faster than np.hypot


def cover(distance: Array, pixel) -> Array:
    """Part of each pixel inside an outline; pixel: its side, in the unit of the distance."""
    return np.clip(0.5 - distance / pixel, 0, 1)


def stripe(distance: Array, width: float, pixel) -> Array:
    """Part of each pixel under a line; a line thinner than a pixel turns pale instead of jagged."""
    return np.clip((width / 2 - np.abs(distance)) / pixel + 0.5, 0, np.minimum(1, width / pixel))


def rod(u, v, a, b, radius: float) -> Array:
    """Distance to a thick line with round ends, from point a to point b."""
    du, dv = float(b[0] - a[0]), float(b[1] - a[1])
    t = np.clip(((u - a[0]) * du + (v - a[1]) * dv) / (du * du + dv * dv), 0, 1)
    return length(u - a[0] - t * du, v - a[1] - t * dv) - radius


def slab(u, v, left, right, low, high, lean=0.0, corner=0.0) -> Array:
    """Distance to a box; its sides lean inwards by `lean` per unit of height; round corners."""
    du = np.abs(u - (left + right) / 2) - (right - left) / 2 + lean * (v - low) + corner
    dv = np.abs(v - (low + high) / 2) - (high - low) / 2 + corner
    if not corner:
        return np.maximum(du, dv)
    outside = length(np.maximum(du, 0), np.maximum(dv, 0))
    return outside + np.minimum(np.maximum(du, dv), 0) - corner


class Canvas:
    """Picture, label, and where every pixel lies.

    x: (W,) right of the middle; y: (H,) below the horizon; in image heights.
    """

    def __init__(self, world: World, height: int, width: int):
        self.world, self.pixel = world, 1 / height
        self.x = ((np.arange(width) + 0.5 - width / 2) / height).astype(np.float32)  # (W,)
        self.y = ((np.arange(height) + 0.5) / height - world.horizon).astype(np.float32)  # (H,)
        self.rgb = np.zeros((3, height, width), np.float32)
        self.label = np.full((height, width), SKY, np.uint8)

    def window(self, left, right, top, bottom) -> tuple[slice, slice]:
        """Rows and columns between those limits, and one pixel more."""
        rows = np.searchsorted(self.y, (top - self.pixel, bottom + self.pixel))
        cols = np.searchsorted(self.x, (left - self.pixel, right + self.pixel))
        return slice(*rows), slice(*cols)

    def paint(self, where, alpha: Array, colour: Array, kind: int, Z) -> None:
        """Lay a colour (3, h, w) over the window `where`, paler with larger Z. alpha: (h, w)."""
        colour = mix(colour, self.world.haze, 1 - np.exp(-self.world.fog * Z))
        view = self.rgb[(slice(None), *where)]  # (3, h, w)
        view[:] = mix(view, colour, alpha)
        self.label[where][alpha > 0.5] = kind


# ---- far away ------------------------------------------------------------------------------------


def paint_sky(canvas: Canvas, rng: Rng) -> None:
    world, x, up = canvas.world, canvas.x[None], np.maximum(-canvas.y[:, None], 0)
    share = (up / world.horizon) ** 0.6 + 0 * x  # (H, W)
    sky = mix(world.haze, world.zenith, share)  # (3, H, W)
    u, v = rng.uniform(0, 512, 2)
    scale = rng.uniform(18, 40) / (up + 0.12)  # a flat layer: clouds crowd towards the horizon
    cloud = look_up(1.6, float(u) + x * scale, float(v) + scale * 1.5)  # (H, W)
    thick = np.clip((cloud + rng.uniform(-1.5, 1)) * 0.7, 0, 1) * np.clip(up * 8, 0, 1)
    white = np.clip(1.1 - 0.2 * cloud, 0.7, 1) * world.sun  # the thickest are grey
    sky = mix(sky, white, 0.85 * thick)
    glow = np.exp(-((x - world.sun_x / 3) ** 2 + (up - 0.25) ** 2) * rng.uniform(6, 30))
    canvas.rgb[:] = mix(sky, world.sun, 0.35 * glow)


def paint_backdrop(canvas: Canvas, rng: Rng) -> None:
    """A distant wood or town along the horizon, or nothing."""
    kind = pick(rng, (TREE, BUILDING, SKY), (0.5, 0.25, 0.25))
    if kind == SKY:
        return
    u, base, wave = rng.uniform(0, 512), rng.uniform(0.03, 0.1), rng.uniform(0.01, 0.04)
    rows, cols = where = canvas.window(-9, 9, -0.3, 0)
    x, y = canvas.x[None], canvas.y[rows, None]
    if kind == TREE:
        top = base + wave * look_up(1.5, u + x * 60, u) + 0.01 * look_up(1, u + x * 300, u)
        colour = colour_of(rng, (0.2, 0.42), (0.2, 0.6), (0.2, 0.4))
        shine = 1 + 0.22 * look_up(1, u + x * 350, y * 500)
    else:
        cell = rng.uniform(0.05, 0.12)
        top = base + 1.3 * wave * look_up(0, u + x / cell, u)
        colour = colour_of(rng, (0, 1), (0, 0.25), (0.4, 0.8))
        panes = (np.mod(x, cell / 4) < cell / 8) & (np.mod(y, 0.014) < 0.007)
        shine = 1 + 0.1 * look_up(0, u + x / cell, 9) - 0.12 * np.float32(panes)
    alpha = cover(-y - np.maximum(top, 0.01), canvas.pixel) * (y < 0)  # (h, W)
    canvas.paint(where, alpha, colour * canvas.world.sun * shine, kind, Z=90)


# ---- the ground ----------------------------------------------------------------------------------


def paint_ground(canvas: Canvas, rng: Rng, things: list[Thing]) -> None:
    world = canvas.world
    first = int(np.searchsorted(canvas.y, 0))  # the first row below the horizon
    x, y = canvas.x[None], canvas.y[first:, None]
    Z = FOCAL * world.eye / y + 0 * x  # (h, W)
    X = x * Z / FOCAL  # (h, W)
    wide = Z * canvas.pixel / FOCAL  # width of a pixel on the ground, metres
    long = wide * Z / world.eye  # and its length, away from us
    u, v = map(float, rng.uniform(0, 512, 2))
    near = 1 / (1 + Z / 14)  # far texture is too fine to be seen
    fine = look_up(0.6, u + X * 22, v + Z * 9) * near  # (h, W)
    coarse = look_up(1.5, u + X * 5, v + Z * 4)  # (h, W)

    green = colour_of(rng, (0.2, 0.36), (0.3, 0.65), (0.38, 0.66))
    straw = colour_of(rng, (0.09, 0.18), (0.2, 0.5), (0.5, 0.75))
    dry = pick(rng, (0.0, 0.75), (0.67, 0.33))
    blades = look_up(0.8, u + x * 300, v + y * 130) * near
    colour = mix(green, straw, np.clip(dry + 0.3 * coarse, 0, 1))
    colour = colour * (1 + 0.16 * fine + 0.2 * blades)  # (3, h, W)
    label = np.full(Z.shape, GRASS, np.uint8)

    mirror = 0 * Z  # how much of a pixel is water, which is lit by the sky and not by the sun
    if world.water:
        edge = world.off_water(X, Z)
        mirror = cover(edge, wide if world.water == "side" else long)
        colour = colour * (1 - 0.35 * np.clip(1 - edge / 0.8, 0, 1))  # a dark bank
        colour = mix(colour, water_colour(canvas, rng, first, X, Z), mirror)
        label[mirror > 0.5] = WATER
    if world.road:
        edge, side = world.off_road(X, Z), long if world.road == "across" else wide
        on_road = cover(edge, side)
        colour = mix(colour, road_colour(world, rng, X, Z, side, fine, coarse), on_road)
        label[on_road > 0.5] = ROAD
        mirror = mirror * (1 - on_road)

    light = 1 - (1 - world.shade) * shadows(world, things, X, Z, long)
    colour = mix(colour * world.sun * light, colour, 0.8 * mirror)
    canvas.paint((slice(first, None), slice(None)), np.ones_like(Z), colour, GRASS, Z)
    canvas.label[first:] = label


def water_colour(canvas: Canvas, rng: Rng, first: int, X: Array, Z: Array) -> Array:
    """What stands above the horizon, upside down, shaken by waves, on a dark ground. (3, h, W)"""
    y = canvas.y[first:, None]
    waves = look_up(1.0, X * 3 + 256, 60 * np.log(Z) + 2 * X + 256)  # (h, W)
    row = first - 1 - np.int32((0.9 * y + 0.011 * waves) / canvas.pixel)
    sky = canvas.rgb[:, np.clip(row, 0, first - 1), np.arange(len(canvas.x))]  # (3, h, W)
    deep = colour_of(rng, (0.3, 0.65), (0.1, 0.6), (0.25, 0.5)) * canvas.world.sun
    clear = 0.25 + 0.55 * np.exp(-y * rng.uniform(1, 4)) + 0.12 * waves  # grazing looks mirror more
    return mix(deep, sky, np.clip(clear, 0, 1)) * (1 + 0.07 * waves)


def road_colour(world: World, rng: Rng, X, Z, side, fine, coarse) -> Array:
    """Asphalt with lines, or a dirt road; puddles on both. (3, h, W)"""
    dirt = rng.random() < 0.25
    grey = colour_of(rng, (0.05, 0.65), (0, 0.12), (0.34, 0.66))
    brown = colour_of(rng, (0.05, 0.13), (0.2, 0.5), (0.4, 0.68))
    road = (brown if dirt else grey) * (1 + 0.10 * fine + 0.06 * coarse)
    wet = look_up(1.6, X * 9 + 256, Z * 5) * 2 - rng.uniform(1.5, 6)
    road = mix(road, world.zenith, np.clip(wet, 0, 0.8))
    if dirt:
        return road
    across, along = X - world.middle(Z), Z
    if world.road == "across":
        across, along = Z - world.start - world.slope * X, X
    lines = stripe(across, 0.14, side) * (np.mod(along, 6) < rng.choice((3, 6)))
    if rng.random() < 0.5:
        lines = lines + stripe(np.abs(across) - world.half + 0.35, 0.12, side)
    return mix(road, rgb(0.92, 0.92, 0.86), np.clip(lines, 0, 0.9))


def shadows(world: World, things: list[Thing], X: Array, Z: Array, pixel: Array) -> Array:
    """0 in the sun, 1 in a shadow; a dark rim where things touch the ground. (h, W)"""
    dark = np.zeros_like(X)
    for t in things:
        high = min(t.height, 8.0)  # the end of a longer shadow is cut
        foot = (t.X, t.Z + t.depth / 2)
        tip = (foot[0] - world.sun_x * high, foot[1] - world.sun_z * high)
        reach = t.depth / 2 + t.width / 2 + 1
        limits = (max(foot[1], tip[1]) + reach, max(min(foot[1], tip[1]) - reach, 0.1))
        rows = slice(*np.searchsorted(-Z[:, 0], [-z for z in limits]))  # only there can it fall
        x, z, d = X[rows], Z[rows], dark[rows]
        if t.kind == BUILDING:  # does the box bar the way to the sun?
            way_x, way_z = world.sun_x * high, world.sun_z * high + 1e-3
            x0, x1 = ((t.X - s * t.width / 2 - x) / way_x for s in (1, -1))
            z0, z1 = ((end - z) / way_z for end in (t.Z, t.Z + t.depth))
            enter = np.maximum(np.minimum(x0, x1), np.minimum(z0, z1))
            leave = np.minimum(np.maximum(x0, x1), np.maximum(z0, z1))
            shade = 0.9 * ((enter < leave) & (enter < 1) & (leave > 0))
        else:
            start = 0.6 if t.kind == TREE else 0.0  # a crown begins above the ground
            begin = tuple(a + start * (b - a) for a, b in zip(foot, tip, strict=True))
            shade = 0.8 * np.clip(
                0.5 - rod(x, z, begin, tip, 0.45 * t.width) / (0.3 + pixel[rows]), 0, 1
            )
            under = length(x - foot[0], 0.8 * (z - foot[1])) - t.width / 2
            shade = np.maximum(shade, 0.7 * np.clip(-under / 0.4, 0, 1))
        dark[rows] = np.maximum(d, shade)
    return dark


# ---- the camera ----------------------------------------------------------------------------------


def develop(light: Array, rng: Rng) -> Array:
    """What a cheap camera does: white balance, contrast, dark corners, a little blur, noise.

    (3, H, W) floats -> (3, H, W) uint8
    """
    _, H, W = light.shape
    gain = rgb(*(rng.normal(1, 0.04, 3) * rng.uniform(0.92, 1.18)))
    contrast, fall, noise = rng.uniform(-0.2, 0.3), rng.uniform(0, 0.25), rng.uniform(0.006, 0.022)
    y, x = np.linspace(-1, 1, H)[:, None], np.linspace(-1, 1, W)
    image = np.clip(light * gain * np.float32(1 - fall * (x * x + y * y) / 2), 0, 1)
    image *= 1 - contrast * (1 - image)
    image[:, 1:-1] = 0.74 * image[:, 1:-1] + 0.13 * (image[:, 2:] + image[:, :-2])
    image[..., 1:-1] = 0.74 * image[..., 1:-1] + 0.13 * (image[..., 2:] + image[..., :-2])
    image += np.float32(noise) * rng.standard_normal(image.shape, np.float32)
    return np.uint8(np.clip(image, 0, 1) * 255 + 0.5)


def ignore_borders(label: Array) -> Array:
    """255 on both pixels where neighbours differ, as annotators leave borders out. (H, W)"""
    border = np.zeros(label.shape, bool)
    down, right = label[1:] != label[:-1], label[:, 1:] != label[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= right
    border[:, :-1] |= right
    return np.where(border, np.uint8(IGNORE), label)
