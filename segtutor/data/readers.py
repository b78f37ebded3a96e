"""Which reader opens which data set: the names that the command line and recipes use, and folders
of your own.

Taught in   : chapter 11
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from segtutor.data.ade20k import ADE20K
from segtutor.data.camvid import CamVid
from segtutor.data.cityscapes import Cityscapes
from segtutor.data.dataset import SegmentationData
from segtutor.data.folder import own_folder, splits_of_folder
from segtutor.data.pascal_context import PascalContext
from segtutor.data.small import camvid_small, toy_scenes_small
from segtutor.locations import data_roots

# name on the command line -> reader, its splits, can it leave out samples without partner?
READERS: dict[str, tuple[Callable[..., SegmentationData], tuple[str, ...], bool]] = {
    "ade20k": (ADE20K, ("train", "val"), True),
    "pascal_context": (PascalContext, ("train", "val"), True),
    "pascal_context_59": (partial(PascalContext, classes=59), ("train", "val"), True),
    "cityscapes": (Cityscapes, ("train", "val"), True),
    "camvid": (CamVid, ("train", "val", "test"), False),
    "camvid_small": (camvid_small, ("train", "val", "test"), False),
    "toyscenes": (toy_scenes_small, ("train", "val", "test"), False),
}
# splits that many do without: looked at where their photographs are
EXTRA = {"cityscapes": ("train_extra",)}


def reader(name: str) -> Callable[..., SegmentationData]:
    """The reader behind a name, or behind a folder of your own (see `folder.own_folder`), called
    with (split, data_root).
    """
    if name in READERS:
        return READERS[name][0]
    if Path(name).is_dir():
        return partial(own_folder, name)
    raise ValueError(
        f"unknown data set {name!r}; there are {', '.join(READERS)}, and folders of your own with "
        "images/, labels/ and classes.txt"
    )


def splits_of(name: str, data_root: str | Path | None = None) -> tuple[str, ...]:
    """What `check` opens if it is not told what: splits with labels."""
    if name in READERS:
        return (*READERS[name][1], *extra_splits(name, data_root))
    splits = splits_of_folder(name)
    return ("all",) if "all" in splits else splits


def is_lenient(name: str) -> bool:
    """Can its reader leave out samples without partner (strict=False)?"""
    return READERS[name][2] if name in READERS else True


def extra_splits(name: str, data_root: str | Path | None = None) -> tuple[str, ...]:
    """Those of EXTRA whose photographs are here."""
    places = [place / inner for place in data_roots(data_root) for inner in ("", "cityscapes")]
    return tuple(
        split
        for split in EXTRA.get(name, ())
        if any((place / "leftImg8bit" / split).is_dir() for place in places)
    )
