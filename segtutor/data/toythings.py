"""Trees, cars, persons and buildings of ToyScenes, each drawn in its own metres.

Taught in   : nowhere; chapter 00 shows the pictures

A drawing function gets u (1, w), metres right of the middle, v (h, 1), metres above the ground, and
the side of a pixel. It returns the signed distance to its outline (h, w) and a colour (3, h, w).
"""

from __future__ import annotations

import numpy as np

from segtutor.data.toypaint import Canvas, Rng, colour_of, cover, length, mix, rgb, rod, slab
from segtutor.data.toyworld import BUILDING, CAR, FOCAL, PERSON, TREE, Thing, World, look_up, sign


def paint_thing(canvas: Canvas, rng: Rng, thing: Thing) -> None:
    """A tree, car or person, drawn flat and facing us; or a building."""
    if thing.kind == BUILDING:
        return paint_building(canvas, rng, thing)
    world, scale = canvas.world, FOCAL / thing.Z  # image heights per metre
    foot, x, wide = world.eye * scale, thing.X * scale, 0.95 * thing.width * scale
    rows, cols = where = canvas.window(x - wide, x + wide, foot - thing.height * 1.15 * scale, foot)
    u = (canvas.x[None, cols] - x) / scale  # (1, w) metres right of its middle
    v = (foot - canvas.y[rows, None]) / scale  # (h, 1) metres above the ground
    draw = {TREE: draw_tree, CAR: draw_car, PERSON: draw_person}[thing.kind]
    outline, colour = draw(rng, world, thing, u, v, canvas.pixel / scale)
    alpha = cover(outline, canvas.pixel / scale)  # (h, w)
    canvas.paint(where, alpha, colour * world.sun, thing.kind, thing.Z)


def draw_tree(rng: Rng, world: World, thing: Thing, u, v, pixel):
    h, way = thing.height, world.sun_side
    conifer = rng.random() < 0.3
    season = 2 if conifer else rng.choice(4, p=(0.5, 0.2, 0.15, 0.15))
    hue = ((0.19, 0.38), (0.02, 0.13), (0.27, 0.45), (0.13, 0.2))[season]
    leaf = colour_of(rng, hue, (0.3, 0.75), (0.3, 0.68))
    bark = colour_of(rng, (0.04, 0.1), (0.1, 0.5), (0.2, 0.45))
    a, b = map(float, rng.uniform(0, 512, 2))
    leaves = look_up(0.9, a + u * (130 / h), b + v * (130 / h))  # (h, w)
    if conifer:  # one cone with teeth
        tooth = np.mod(v / h * float(rng.integers(4, 7)), 1)
        crown = np.maximum(np.abs(u) - (1.03 * h - v) * 0.27 * (1.1 - 0.4 * tooth), 0.12 * h - v)
        sunny, leaves = u / (0.25 * h) * way + 0 * v, 0.6 * leaves
    else:  # a cloud of balls
        crown, sunny = np.full(leaves.shape, 9, np.float32), 0 * leaves
        low = 0.25 if h < 2.5 else rng.uniform(0.5, 0.6)
        for _ in range(7):
            cu = min(max(rng.normal(0, 0.12), -0.24), 0.24) * h
            cv = rng.uniform(low, 0.82) * h
            r = rng.uniform(0.13, 0.2) * h
            ball = length(u - cu, v - cv) - r
            sunny = np.where(ball < crown, ((u - cu) * way + v - cv) / r, sunny)
            crown = np.minimum(crown, ball)
    crown = crown + 0.02 * h * leaves
    light = 0.95 + 0.13 * leaves + 0.5 * (1 - world.shade) * np.clip(sunny, -1, 1)
    colour = mix(bark, leaf * light, cover(crown, pixel))  # (3, h, w)
    return np.minimum(crown, rod(u, v, (0, 0), (0, 0.55 * h), 0.03 * h)), colour


def draw_car(rng: Rng, world: World, thing: Thing, u, v, pixel):
    greys, bright = ((0, 1), (0, 0.15), (0.15, 0.95)), ((0, 1), (0.3, 0.75), (0.2, 0.72))
    paint = colour_of(rng, *(greys if rng.random() < 0.45 else bright))
    glass = mix(rgb(0.12, 0.14, 0.17), world.zenith, rng.uniform(0.1, 0.5))
    van, front, u = rng.random() < 0.25, rng.random() < 0.5, u * sign(rng)
    if thing.width > 3:  # seen from the side
        wheels = length(np.abs(u) - 1.3, v - 0.33) - 0.33
        body = slab(u, v, -2.1, 2.1, 0.28, 0.9, 0.06, corner=0.15)
        if van:
            cabin = slab(u, v, -2.1, 1.6, 0.5, 1.75, 0.06, corner=0.15)
            panes = slab(u, v, 0.3, 1.4, 1.05, 1.6, 0.15)
        else:
            cabin = slab(u, v, -1.75, 1.25, 0.8, 1.45, 0.6, corner=0.1)
            panes = np.maximum(cabin + 0.1, 0.05 - np.abs(u + 0.2))
        lights = length(u - 1.95, v - 0.68) - 0.12
    else:  # seen from the front or from behind
        wheels = slab(np.abs(u), v, 0.5, 0.82, 0, 0.4, corner=0.05)
        body = slab(u, v, -0.9, 0.9, 0.22, 0.98, 0.02, corner=0.15)
        cabin = slab(u, v, -0.86, 0.86, 0.8, 1.9 if van else 1.48, 0.1 if van else 0.3, corner=0.1)
        panes = np.maximum(cabin + 0.12, 0.95 - v)
        lights = slab(np.abs(u), v, 0.55, 0.82, 0.62, 0.82, corner=0.05)
    body = np.minimum(body, cabin)
    shine = (
        0.72 + 0.35 * np.clip(v, 0, 1) + 0.15 * np.float32(np.abs(v - 0.85) < 0.05) + 0 * u
    )  # (h, w)
    colour = mix(paint * shine, glass, cover(panes, pixel))
    lamp = rgb(0.95, 0.93, 0.8) if front else rgb(0.75, 0.08, 0.06)
    colour = mix(colour, lamp, cover(lights, pixel))
    tyre = rgb(0.08, 0.08, 0.09) * (1 + 4 * np.float32(wheels < -0.16))
    return np.minimum(body, wheels), mix(colour, tyre, cover(wheels, pixel))


def draw_person(rng: Rng, world: World, thing: Thing, u, v, pixel):
    size = thing.height / 1.75
    u, v, pixel = u / size, v / size, pixel / size
    shirt = colour_of(rng, (0, 1), (0, 0.8), (0.2, 0.85))
    trousers = colour_of(rng, (0, 1), (0, 0.5), (0.12, 0.6))
    skin = colour_of(rng, (0.04, 0.09), (0.3, 0.55), (0.35, 0.9))
    hair = colour_of(rng, (0, 0.12), (0, 0.6), (0.1, 0.6))
    stride, swing, hem = rng.uniform(0.05, 0.26), rng.uniform(0.02, 0.2), rng.uniform(0.55, 0.9)
    legs = np.minimum(*(rod(u, v, (0.08 * s, 0.85), (stride * s, 0.07), 0.095) for s in (-1, 1)))
    torso = slab(u, v, -0.24, 0.24, hem, 1.47, -0.02, corner=0.13)
    for s in (-1, 1):  # arms
        torso = np.minimum(torso, rod(u, v, (0.21 * s, 1.36), ((0.24 + swing) * s, 0.88), 0.07))
    head = length(u / 0.85, v - 1.61) - 0.14
    light = 1 + 0.15 * np.clip(u * world.sun_side / 0.25, -1, 1) + 0 * v  # (h, w)
    colour = mix(trousers, shirt, cover(torso, pixel)) * light
    colour = mix(colour, mix(skin, hair, cover(1.63 - v + 0 * u, pixel)), cover(head, pixel))
    return np.minimum(np.minimum(legs, torso), head), colour


WALLS = (  # ranges of hue, saturation and value: brick, plaster, concrete, painted, glass
    ((0.00, 0.07), (0.25, 0.60), (0.35, 0.65)),
    ((0.05, 0.16), (0.05, 0.45), (0.65, 0.95)),
    ((0.00, 1.00), (0.00, 0.12), (0.40, 0.85)),
    ((0.00, 1.00), (0.10, 0.50), (0.55, 0.90)),
    ((0.52, 0.62), (0.10, 0.40), (0.45, 0.75)),
)


def paint_building(canvas: Canvas, rng: Rng, t: Thing) -> None:
    """A box: its front, and the side wall that the camera sees."""
    world, left, right = canvas.world, t.X - t.width / 2, t.X + t.width / 2
    inner = left if left > 0 else right if right < 0 else 0.0  # X of that side wall, 0: unseen
    roof = t.height * rng.uniform(0.25, 0.5) if t.height < 9 and rng.random() < 0.6 else 0.0
    wall = colour_of(rng, *WALLS[rng.integers(len(WALLS))])
    tiles = colour_of(rng, (0, 0.07), (0.1, 0.65), (0.3, 0.6))
    period, storey = rng.uniform(1.6, 3.2), rng.uniform(2.7, 3.4)  # from window to window
    open_u, open_v = rng.uniform(0.35, 0.9), rng.uniform(0.4, 0.7)  # part that is glass
    ivy, a, b = rng.uniform(-1.5, 1.5), *map(float, rng.uniform(0, 512, 2))

    near, far = FOCAL / t.Z, FOCAL / (t.Z + t.depth)  # image heights per metre
    ends = [left * near, right * near] + ([inner * far] if inner else [])
    high = world.eye - t.height - roof
    rows, cols = where = canvas.window(
        min(ends), max(ends), min(high * near, high * far), world.eye * near
    )
    x, y = canvas.x[None, cols], canvas.y[rows, None]
    side = ((x < left * near) if inner > 0 else (x > right * near)) & (inner != 0)  # (1, w)
    Z = np.float32(np.where(side, FOCAL * inner / np.where(side, x, 1), t.Z))  # (1, w) of the wall
    pixel = Z * canvas.pixel / FOCAL
    u = np.where(side, Z - t.Z + 40 * period, x * Z / FOCAL - left)  # (1, w) along the wall
    v = world.eye - y * Z / FOCAL  # (h, w) above the ground
    beside = np.maximum(min(ends) - x, x - max(ends)) * Z / FOCAL
    hip = np.clip(np.minimum(u, t.width - u) / (0.35 * t.width), 0, 1) * roof * ~side
    alpha = cover(np.maximum(beside, np.maximum(v - t.height - hip, -v)), pixel)  # (h, w)

    in_sun = inner * world.sun_x <= 0  # the side wall we see looks to the middle of the picture
    bright, dim = 1.0, 0.4 + 0.6 * world.shade
    light = np.where(side, bright if in_sun else dim, dim if in_sun else bright)
    light = np.float32(light * (0.8 + 0.2 * np.clip(v / 2, 0, 1)))  # (h, w)
    grain = look_up(0.8, a + u * 14, b + v * 14) / (1 + t.Z / 25)
    colour = wall * (light * (1 + 0.06 * grain))  # (3, h, w)

    du, dv = np.mod(u, period) - period / 2, np.mod(v, storey) - 0.55 * storey
    pane = np.maximum(np.abs(du) - open_u * period / 2, np.abs(dv) - open_v * storey / 2)
    each = look_up(0, a + u / period, b + v / storey)  # one number per window
    glass = mix(rgb(0.1, 0.12, 0.16), world.zenith, np.clip(0.3 + 0.25 * each, 0.05, 0.9))
    if world.lit:
        glass = mix(glass, rgb(1.3, 1.05, 0.6), each > 0.3)
    seen = 0.9 * cover(pane, pixel) * (v < t.height - 0.3)
    colour = mix(colour, glass, seen * np.clip(0.5 * period / pixel - 0.7, 0, 1))
    if roof:
        course = 1 + 0.12 * grain + 0.06 * np.float32(np.mod(v, 0.5) < 0.25)
        colour = mix(colour, tiles * course, cover(t.height - v, pixel) * ~side)
    if ivy > 0.3:
        leaves = look_up(1.4, a + u * 12, b + v * 12) - 1.5 * v / t.height - ivy + 1
        green = rgb(0.27, 0.40, 0.18) * (light * (1 + 0.3 * grain))
        colour = mix(colour, green, np.clip(4 * leaves, 0, 1))
    canvas.paint(where, alpha, colour * world.sun, BUILDING, Z)
