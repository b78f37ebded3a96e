"""ADE20K in the form of the scene parsing challenge: 150 classes (Zhou et al. 2017).

Taught in   : chapter 11
Layout      : ADEChallengeData2016/{images,annotations}/{training,validation}/ADE_*.{jpg,png};
              test photographs, without labels, in release_test/testing beside it.
Labels      : 0 means "other" and is ignored, value k + 1 is class k ("reduce zero").
Licence     : photographs for non-commercial research and teaching only; never shipped here.
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
    translation,
)

FOLDERS = {"train": "training", "val": "validation"}
SPLITS = ("train", "val", "test")
ARCHIVES = ("ADEChallengeData2016.zip",)
_TABLE = table("ade20k")
CLASSES = tuple(row[0] for row in _TABLE["classes"])
PALETTE = tuple(tuple(row[1:]) for row in _TABLE["classes"])
TRANSLATE = translation({0: IGNORE, IGNORE: IGNORE, **{k + 1: k for k in range(len(CLASSES))}})


class ADE20K(PairedData):
    """ADE20K. split: train (20 210), val (2 000) or test (3 352, every pixel ignored).

    data_root: folder that holds ADEChallengeData2016 (also inside ade20k/ or ade/), or that folder;
    None looks where `segtutor.locations` says. Raises FileNotFoundError where files are missing.
    """

    def __init__(
        self, split: str = "train", data_root: str | Path | None = None, *, strict: bool = True
    ):
        if split not in SPLITS:
            raise ValueError(f"unknown ADE20K split {split!r}; there are {', '.join(SPLITS)}")
        if split == "test":
            root = find_root(
                "ADE20K's test set",
                folders=("release_test", "ade20k/release_test", "ade/release_test"),
                marks=("testing",),
                needed=("testing",),
                archives=("release_test.zip",),
                data_root=data_root,
            )
            images, labels = by_name(root / "testing", "*.jpg", ".jpg"), None
        else:
            folder = FOLDERS[split]
            parts = (f"images/{folder}", f"annotations/{folder}")
            name = "ADEChallengeData2016"
            root = find_root(
                "ADE20K",
                folders=(name, f"ade20k/{name}", f"ade/{name}"),
                marks=("images/training", "images/validation", "annotations/training"),
                needed=parts,
                archives=ARCHIVES,
                data_root=data_root,
            )
            images = by_name(root / parts[0], "*.jpg", ".jpg")
            labels = by_name(root / parts[1], "*.png", ".png")
        super().__init__(
            name=f"ADE20K {split}",
            classes=CLASSES,
            palette=PALETTE,
            images=images,
            labels=labels,
            translate=TRANSLATE,
            published=_TABLE["published"][split],
            strict=strict,
        )


def write_for_server(prediction: Tensor, name: str, folder: str | Path) -> Path:
    """Write class ids (H, W) of the photograph `name` as the test server counts them, 1..150.

    Returns the PNG's path. The size must be the photograph's own; the server compares it.
    """
    values = check_prediction(prediction, len(CLASSES), name)
    path = Path(folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((values + 1).astype(np.uint8)).save(path)
    return path
