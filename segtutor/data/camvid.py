"""CamVid: frames of a driving video, 11 classes (Brostow et al. 2008), in the split and size
SegNet made common.

Taught in   : chapter 00
Licence     : CC BY-NC 4.0, non-commercial; never shipped with this library. Expected layout, under
              a data root: camvid/images/{train,val,test}/NAME.jpg,
              camvid/labels/{train,val,test}/NAME.png with 0..10 and 11 = ignore.
Beware      : `val` is one clip of which `train` holds the other frames, so it says little about
              generalisation. We hold a whole sequence out of `train` instead (`train-fit` /
              `train-held`), and read `test` once.
"""

from __future__ import annotations

from pathlib import Path

from segtutor import locations
from segtutor.data.folder import FolderData

CLASSES = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
)
PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
HELD_OUT = "0006R0"  # the sequence of `train` that is kept for choosing settings
SPLITS = ("train", "val", "test", "train-fit", "train-held")


class CamVid(FolderData):
    """CamVid at 480x360. split: train (367), val (101), test (233); or train-fit and train-held,
    train cut by sequence.

    data_root: folder that holds `camvid/`; None looks where `segtutor.locations` says.
    """

    def __init__(self, split: str = "train", data_root: str | Path | None = None):
        if split not in SPLITS:
            raise ValueError(f"unknown CamVid split {split!r}; there are {', '.join(SPLITS)}")
        root = locations.require("camvid", "CamVid", data_root)
        folder = "train" if split.startswith("train") else split
        super().__init__(
            root / "images" / folder,
            root / "labels" / folder,
            CLASSES,
            palette=PALETTE,
            raw_ignore=11,
            name=f"CamVid {split}",
        )
        if split in ("train-fit", "train-held"):
            held = split == "train-held"
            keep = [i for i, n in enumerate(self.names) if n.startswith(HELD_OUT) == held]
            self.names = [self.names[i] for i in keep]
            self.images = [self.images[i] for i in keep]
            self.labels = [self.labels[i] for i in keep]


def available(data_root: str | Path | None = None) -> bool:
    """Is CamVid on this machine?"""
    return locations.find("camvid/images/train", data_root) is not None
