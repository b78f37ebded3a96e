"""A prediction as files: class ids, colours, and the photograph under its classes with a legend.

Taught in   : chapter 14; chapter 11 ("bring your own 20 images")

ids/NAME.png is for programs (grey levels are class numbers, so it looks black), colours/NAME.png
for other tools, overlays/NAME.png for eyes. Drawn with Pillow: a figure of matplotlib takes a
quarter of a second, which a video has twenty-five times a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from segtutor.data.sheet import overlay
from segtutor.insight.plots import as_picture, colour_map

KINDS = ("ids", "colours", "overlays")
Palette = Sequence[tuple[int, int, int]]


def with_legend(
    image: Tensor,
    label: Tensor,
    classes: Sequence[str],
    palette: Palette,
    *,
    rows: int | None = None,
    opacity: float = 0.55,
) -> np.ndarray:
    """The photograph with class colours over it and the names of the classes below,
    (H + legend, W, 3) uint8.

    image: (3, H, W) uint8. label: (H, W) class ids, 255 = ignore, left as it is. rows: of the
    legend, which then names the classes with the most pixels; None: as many as are needed.
    """
    ids = np.asarray(label.cpu(), dtype=np.uint8)  # (H, W)
    mixed = overlay(as_picture(image), ids, np.array(palette, np.uint8), opacity)  # (H, W, 3)
    pixels = np.bincount(ids.ravel(), minlength=256)[: len(classes)]
    present = [k for k in np.argsort(-pixels, kind="stable") if pixels[k]]
    return np.concatenate([mixed, _legend(mixed.shape[1], present, classes, palette, rows)])


def _legend(width: int, present, classes, palette, rows: int | None) -> np.ndarray:
    """Coloured boxes with names on white, (rows, width, 3)."""
    size = max(9, min(24, width // 40))  # of the letters, in pixels
    line, box = 2 * size, size
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(file), size)
    places, x, row = [], box, 0
    for k in present:
        needed = 2 * box + int(font.getlength(classes[k]))
        if x + needed > width and x > box:
            x, row = box, row + 1
        places.append((k, x, row))
        x += needed + box
    lines = row + 1 if rows is None else rows
    sheet = Image.new("RGB", (width, lines * line), "white")
    draw = ImageDraw.Draw(sheet)
    for k, x, row in places:
        if row < lines:
            top = row * line + (line - box) // 2
            draw.rectangle((x, top, x + box, top + box), tuple(palette[k]), (90, 90, 90))
            draw.text((x + 1.5 * box, top + box / 2), classes[k], "black", font, anchor="lm")
    return np.asarray(sheet)


def write_prediction(
    out: str | Path,
    name: str,
    image: Tensor,
    prediction: Tensor,
    classes: Sequence[str],
    palette: Palette,
    *,
    rows: int | None = None,
) -> np.ndarray:
    """Write the three files of one photograph under `out`; returns the overlay, (h, W, 3) uint8.

    image: (3, H, W) uint8. prediction: (H, W) class ids, K of at most 255. classes, palette: K each
    (255 stands for "ignore" in every label file). rows: see `with_legend`.
    """
    if len(classes) > 255:
        raise ValueError(f"{len(classes)} classes do not fit into 8-bit label files (at most 255)")
    if len(palette) != len(classes):
        raise ValueError(f"{len(classes)} class names, but {len(palette)} colours")
    ids = np.asarray(prediction.cpu(), dtype=np.uint8)  # (H, W)
    drawn = with_legend(image, prediction, classes, palette, rows=rows)
    for kind, pixels in zip(KINDS, (ids, colour_map(ids, palette), drawn), strict=True):
        path = Path(out) / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return drawn
