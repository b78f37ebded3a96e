"""What every data set of this library looks like, and the checks that all of them share.

Taught in   : chapter 01 (label maps, ignore pixels), chapter 12 (what an ignored pixel must not do)

A data set is anything with `name`, `classes` (K names), `palette` (K RGB triples), `ignore` (255),
a length, and items that are `Sample`s. There is no base class to inherit from.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

IGNORE = 255  # the label of pixels that neither train nor count


class Sample(NamedTuple):
    """image: (3, H, W) uint8. label: (H, W) uint8 class ids, 255 = ignore. name: says which, in
    errors and figures.
    """

    image: Tensor
    label: Tensor
    name: str


class SegmentationData(Protocol):
    """The data set protocol."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    ignore: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def read_image(path: Path, *, upright: bool = False) -> Tensor:
    """(3, H, W) uint8 RGB. upright: turn it as the camera noted (label images are drawn on the
    pixels as stored, so data sets do not). Raises ValueError naming a file that cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image) if upright else image
            pixels = np.array(turned.convert("RGB"))  # (H, W, 3)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read as an image ({error}): replace this file or remove it"
        ) from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()  # (3, H, W)


def read_label(path: Path) -> Tensor:
    """(H, W) uint8 label ids from a one-channel 8-bit image (grey or palette)."""
    try:
        with Image.open(path) as image:
            mode, pixels = image.mode, np.array(image)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read as a label image ({error}): replace this file or remove it"
        ) from error
    if mode not in ("L", "P"):
        advice = (
            "16-bit or wider files hold instance ids or raw annotation; take the file of class ids"
            if mode[0] in "IF"
            else "colour-coded labels must be converted to ids first"
        )
        raise ValueError(
            f"{path} has mode {mode}, expected one 8-bit channel (L or P) holding class ids: "
            f"{advice}"
        )
    return torch.from_numpy(pixels)  # (H, W)


def check_label(label: Tensor, classes: int, ignore: int, source: str | Path) -> None:
    """Every value must be a class id 0..K-1 or the ignore value."""
    values = torch.unique(label)
    wrong = values[(values >= classes) & (values != ignore)].tolist()
    if wrong:
        raise ValueError(
            f"{source} holds label values {wrong}, but there are {classes} classes "
            f"(0..{classes - 1}) and {ignore} means ignore: labels coded for another data set?"
        )


def check_pair(image: Tensor, label: Tensor, source: str | Path) -> None:
    """Photo and label image must have the same height and width."""
    if image.shape[-2:] != label.shape[-2:]:
        raise ValueError(
            f"{source}: the photo is {image.shape[-2]}x{image.shape[-1]} pixels, its label image "
            f"{label.shape[-2]}x{label.shape[-1]}: they must have the same size"
        )


def count_classes(data: SegmentationData, limit: int | None = None) -> Tensor:
    """How many pixels of each class the labels hold, (K,) int64; ignored ones count for none.

    limit: only the first so many samples.
    """
    counts = torch.zeros(256, dtype=torch.int64)
    for i in range(len(data) if limit is None else min(limit, len(data))):
        counts += torch.bincount(data[i].label.flatten().long(), minlength=256)
    return counts[: len(data.classes)]  # (K,)


def broken_files(data: SegmentationData) -> dict[str, str]:
    """Open every sample; return {sample name: what is wrong}. The good ones are not affected."""
    problems = {}
    for i in range(len(data)):
        try:
            data[i]
        except (ValueError, OSError) as error:
            problems[getattr(data, "names", range(len(data)))[i]] = str(error)
    return problems
