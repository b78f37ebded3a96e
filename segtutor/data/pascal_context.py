"""Pascal Context: whole scenes of the Pascal VOC 2010 photographs (Mottaghi et al. 2014).

Taught in   : chapter 11
Layout      : VOCdevkit/VOC2010/{JPEGImages,SegmentationClassContext}/NAME.{jpg,png} and
              ImageSets/SegmentationContext/{train,val}.txt with one NAME a line.
Labels      : the annotation knows 459 classes; 60 are kept, and their sorted ids give the class
              (`from_annotation`). The label images hold 0..59, 0 = background.
Protocols   : both papers evaluate background as a class (60). With 59, it is ignored and the others
              move down by one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segtutor.data.dataset import IGNORE
from segtutor.data.paired import PairedData, by_name, find_root, table, translation

SPLITS = ("train", "val")
ARCHIVES = ("VOCtrainval_03-May-2010.tar", "the label images SegmentationClassContext")
_TABLE = table("pascal_context")
CLASSES = tuple(row[0] for row in _TABLE["classes"])
ANNOTATION_IDS = tuple(row[1] for row in _TABLE["classes"])
PALETTE = tuple(tuple(row[2:]) for row in _TABLE["classes"])
LABELS, LISTS = "SegmentationClassContext", "ImageSets/SegmentationContext"


class PascalContext(PairedData):
    """Pascal Context. split: train (4 998) or val (5 105). classes: 60, or 59 without background.

    data_root: folder that holds VOCdevkit/VOC2010 (also inside pcontext/), or that folder; None
    looks where `segtutor.locations` says. Raises FileNotFoundError where files are missing, also
    when the split list names a photograph that is not there.
    """

    def __init__(
        self,
        split: str = "train",
        data_root: str | Path | None = None,
        *,
        classes: int = 60,
        strict: bool = True,
    ):
        if split not in SPLITS:
            raise ValueError(
                f"unknown Pascal Context split {split!r}; there are {', '.join(SPLITS)}"
            )
        if classes not in (59, 60):
            raise ValueError(f"Pascal Context has 60 or 59 classes, not {classes}")
        root = find_root(
            "Pascal Context",
            folders=("VOCdevkit/VOC2010", "pcontext/VOCdevkit/VOC2010", "VOC2010"),
            marks=("JPEGImages", LABELS),
            needed=("JPEGImages", LABELS, f"{LISTS}/{split}.txt"),
            archives=ARCHIVES,
            data_root=data_root,
        )
        first = 60 - classes
        kept = {value: value - first for value in range(first, 60)}
        super().__init__(
            name=f"Pascal Context {split} ({classes} classes)",
            classes=CLASSES[first:],
            palette=PALETTE[first:],
            images=by_name(root / "JPEGImages", "*.jpg", ".jpg"),
            labels=by_name(root / LABELS, "*.png", ".png"),
            translate=translation({0: IGNORE, **kept, IGNORE: IGNORE}),
            names=(root / LISTS / f"{split}.txt").read_text().split(),
            published=_TABLE["published"][split],
            strict=strict,
        )


def from_annotation(ids: np.ndarray) -> np.ndarray:
    """Ids of the 459-class annotation -> the 60 classes, uint8 of the same shape.

    The rule of the Detail interface: class = rank of the id among the sixty kept ones. Every other
    id becomes background (the Detail interface never delivers one; the original files do).
    """
    rank = np.zeros(max(ANNOTATION_IDS) + 2, np.uint8)
    rank[list(ANNOTATION_IDS)] = np.arange(len(ANNOTATION_IDS))
    ids = np.asarray(ids).astype(np.int64)
    if ids.size and (ids.min() < 0 or ids.max() > 459):
        raise ValueError(f"annotation ids {ids.min()}..{ids.max()}, expected 0..459")
    return rank[ids]
