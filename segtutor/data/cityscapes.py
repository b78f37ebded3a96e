"""Cityscapes, finely annotated: 19 classes of street scenes at 1024x2048 (Cordts et al. 2016).

Taught in   : chapter 11
Layout      : leftImg8bit/{train,val,test}/CITY/NAME_leftImg8bit.png and
              gtFine/{train,val,test}/CITY/NAME_gtFine_labelIds.png
Labels      : ids 0..33 are turned into the 19 evaluated classes when read, so that no extra files
              have to be made; folders that hold only *_labelTrainIds.png are read as well.
Licence     : non-commercial, from cityscapes-dataset.com after registration; never shipped here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from segtutor.data.dataset import IGNORE
from segtutor.data.paired import (
    PairedData,
    by_name,
    check_prediction,
    find_root,
    table,
    translated,
    translation,
)

SPLITS = ("train", "val", "test")
FULL_SIZE = (1024, 2048)
ARCHIVES = ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip")
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


class Cityscapes(PairedData):
    """Cityscapes. split: train (2 975), val (500) or test (1 525, every pixel ignored).

    data_root: folder that holds leftImg8bit and gtFine, or cityscapes/ with them; None looks where
    `segtutor.locations` says. Raises FileNotFoundError where files are missing.
    """

    def __init__(
        self, split: str = "train", data_root: str | Path | None = None, *, strict: bool = True
    ):
        if split not in SPLITS:
            raise ValueError(f"unknown Cityscapes split {split!r}; there are {', '.join(SPLITS)}")
        photos, fine = f"leftImg8bit/{split}", f"gtFine/{split}"
        root = find_root(
            "Cityscapes",
            folders=("cityscapes",),
            marks=("leftImg8bit", "gtFine"),
            needed=(photos,) if split == "test" else (photos, fine),
            archives=ARCHIVES,
            data_root=data_root,
        )
        labels, translate = None, FROM_LABEL_IDS
        if split != "test":
            ending = "_gtFine_labelIds.png"
            labels = by_name(root / fine, f"*/*{ending}", ending)
            if not labels:
                ending, translate = "_gtFine_labelTrainIds.png", FROM_TRAIN_IDS
                labels = by_name(root / fine, f"*/*{ending}", ending)
        super().__init__(
            name=f"Cityscapes {split}",
            classes=CLASSES,
            palette=PALETTE,
            images=by_name(root / photos, "*/*_leftImg8bit.png", "_leftImg8bit.png"),
            labels=labels,
            translate=translate,
            published=_TABLE["published"][split],
            strict=strict,
        )


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
