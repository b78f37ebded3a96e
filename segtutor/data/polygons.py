"""Cityscapes' label ids from its polygons, as its own scripts paint them.

Taught in   : chapter 11
Official    : cityscapesScripts. Objects are painted in the file's order, later over earlier, on
              "unlabeled" (0); those marked `deleted` are left out; a label that is not known but
              ends in "group" counts as the label without that ending ("cargroup"); labels with a
              negative id (licence plates) are not painted.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from segtutor.data.paired import table


@cache
def _ids() -> dict[str, int]:
    return {row[0]: row[1] for row in table("cityscapes")["labels"]}


def label_id(name: str) -> int:
    """Id of a label's name; -1 = not painted. Raises KeyError for a name that is not known."""
    ids = _ids()
    return ids[name] if name in ids else ids[name.removesuffix("group")]


def paint_polygons(path: str | Path) -> np.ndarray:
    """Label ids (H, W) uint8 of a *_polygons.json. Raises ValueError naming file and object."""
    path = Path(path)
    try:
        content = json.loads(path.read_bytes())
        size = int(content["imgWidth"]), int(content["imgHeight"])
        things = content["objects"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a Cityscapes polygon file ({type(error).__name__}: {error}): expected "
            "imgWidth, imgHeight and objects; replace this file"
        ) from error
    picture = Image.new("L", size, 0)
    draw = ImageDraw.Draw(picture)
    for number, thing in enumerate(things):
        if thing.get("deleted", 0):
            continue
        try:
            value = label_id(thing["label"])
        except KeyError as error:
            raise ValueError(
                f"{path}: object {number} has the label {thing.get('label')!r}, which Cityscapes "
                "does not know"
            ) from error
        if value < 0:
            continue
        try:
            draw.polygon([(x, y) for x, y in thing["polygon"]], fill=value)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: object {number} ({thing['label']}) has no polygon that can be painted "
                f"({error})"
            ) from error
    return np.array(picture)  # (H, W)
