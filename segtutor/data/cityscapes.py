"""Cityscapes: 19 classes of street scenes at 1024x2048 (Cordts et al. 2016).

Taught in   : chapter 11
Layout      : leftImg8bit/{train,val,test,train_extra}/CITY/NAME_leftImg8bit.png and
              gtFine/{train,val,test}/CITY/NAME_gtFine_labelIds.png; for `train_extra`, annotated
              coarsely, gtCoarse/train_extra/CITY/NAME_gtCoarse_labelIds.png
Labels      : ids 0..33 are turned into the 19 evaluated classes when read, so that no extra files
              have to be made. Where they are missing, *_labelTrainIds.png is read, else
              *_polygons.json painted (`polygons.py`).
Licence     : non-commercial, from cityscapes-dataset.com after registration; never shipped here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from segtutor.data.dataset import IGNORE, read_label
from segtutor.data.paired import (
    PairedData,
    by_name,
    check_prediction,
    find_root,
    table,
    translated,
    translation,
)
from segtutor.data.polygons import paint_polygons

SPLITS = ("train", "val", "test", "train_extra")
FULL_SIZE = (1024, 2048)
ARCHIVES = ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip")
EXTRA_ARCHIVES = ("leftImg8bit_trainextra.zip", "gtCoarse.zip")
_TABLE = table("cityscapes")
_EVALUATED = sorted(
    (row for row in _TABLE["labels"] if row[2] != IGNORE and row[1] >= 0), key=lambda row: row[2]
)
CLASSES = tuple(row[0] for row in _EVALUATED)
PALETTE = tuple(tuple(row[3:]) for row in _EVALUATED)
LABEL_IDS = np.array([row[1] for row in _EVALUATED], np.uint8)  # class -> label id
FROM_LABEL_IDS = translation(
    {IGNORE: IGNORE, **{row[1]: row[2] for row in _TABLE["labels"] if row[1] >= 0}}
)
FROM_TRAIN_IDS = translation({IGNORE: IGNORE, **{k: k for k in range(len(CLASSES))}})


# which file is read where a photograph has several
ENDINGS = ("_labelIds.png", "_labelTrainIds.png", "_polygons.json")


class Cityscapes(PairedData):
    """Cityscapes. split: train (2 975), val (500), test (1 525, every pixel ignored) or train_extra
    (19 998, annotated coarsely: most pixels near borders are ignored).

    data_root: folder that holds leftImg8bit and gtFine, or cityscapes/ with them; None looks where
    `segtutor.locations` says. Raises FileNotFoundError where files are missing.
    """

    def __init__(
        self, split: str = "train", data_root: str | Path | None = None, *, strict: bool = True
    ):
        if split not in SPLITS:
            raise ValueError(f"unknown Cityscapes split {split!r}; there are {', '.join(SPLITS)}")
        kind = "gtCoarse" if split == "train_extra" else "gtFine"
        photos, annotation = f"leftImg8bit/{split}", f"{kind}/{split}"
        root = find_root(
            "Cityscapes",
            folders=("cityscapes",),
            marks=("leftImg8bit", "gtFine"),
            needed=(photos,) if split == "test" else (photos, annotation),
            archives=EXTRA_ARCHIVES if split == "train_extra" else ARCHIVES,
            data_root=data_root,
        )
        labels = None if split == "test" else label_files(root / annotation, kind)
        super().__init__(
            name=f"Cityscapes {split}",
            classes=CLASSES,
            palette=PALETTE,
            images=by_name(root / photos, "*/*_leftImg8bit.png", "_leftImg8bit.png"),
            labels=labels,
            translate=FROM_LABEL_IDS,
            published=_TABLE["published"][split],
            strict=strict,
        )

    def read_label(self, index: int) -> Tensor:
        return read_classes(self.labels[index])


def label_files(folder: Path, kind: str) -> dict[str, Path]:
    """{photograph's name: the file its labels are read from} under gtFine/SPLIT or
    gtCoarse/SPLIT."""
    found: dict[str, Path] = {}
    for ending in reversed(ENDINGS):  # the best kind comes last and wins
        found |= by_name(folder, f"*/*_{kind}{ending}", f"_{kind}{ending}")
    return found


def read_classes(path: Path) -> Tensor:
    """Classes 0..18 and 255, (H, W) uint8, from any of the three kinds of label file."""
    if path.suffix == ".json":
        return to_train_ids(torch.from_numpy(paint_polygons(path)), path)
    if path.name.endswith(ENDINGS[1]):
        return translated(read_label(path), FROM_TRAIN_IDS, path)
    return to_train_ids(read_label(path), path)


def write_train_ids(path: Path) -> Path:
    """Write NAME_labelTrainIds.png beside a *_labelIds.png or *_polygons.json, as other code bases
    want it. Returns its path; what is there already stays.
    """
    stem = path.name.removesuffix(ENDINGS[0]).removesuffix(ENDINGS[2])
    target = path.with_name(stem + ENDINGS[1])
    if not target.exists():
        part = target.with_suffix(".part")
        Image.fromarray(read_classes(path).numpy()).save(part, "PNG")
        part.replace(target)
    return target


def to_train_ids(label_ids: Tensor, source: str | Path = "label ids") -> Tensor:
    """Label ids 0..33 -> classes 0..18 and 255, (H, W) uint8 both."""
    return translated(label_ids, FROM_LABEL_IDS, source)


def write_for_server(
    prediction: Tensor, name: str, folder: str | Path, size: tuple[int, int] = FULL_SIZE
) -> Path:
    """Write class ids (H, W) of the photograph `name` as label ids, as the test server counts them.

    Returns the PNG's path. The server wants every photograph's full size, 1024x2048.
    """
    values = check_prediction(prediction, len(CLASSES), name, size)
    path = Path(folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(LABEL_IDS[values]).save(path)
    return path
