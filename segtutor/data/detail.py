"""Pascal Context's labels from what is published: the Detail annotation, or the exported
dictionaries.

Taught in   : chapter 11
Detail      : one file, trainval_merged.json, with `images` (image_id, file_name, height, width,
              phase) and `annos_segmentation` (image_id, category_id, run-length mask). Masks are
              painted in the file's order, later over earlier; class = rank of the id
              (`pascal_context.from_annotation`). 4 998 / 5 105 photographs; SETR trained on these.
Dictionaries: train.pth and val.pth of PyTorch-Encoding, {2008000002: picture of classes}, 4 996 /
              5 104 photographs; Segmenter trained on these. A .pth is a program in disguise: it is
              read by PyTorch's restricted reader, with plain pictures as the only addition.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segtutor.data.manycores import each
from segtutor.data.pascal_context import LABELS, LISTS, from_annotation
from segtutor.data.rle import decode

PHASES = ("train", "val")


def from_detail(annotation: str | Path, root: str | Path, *, workers: int | None = None) -> dict:
    """Write the label images of trainval_merged.json into root/SegmentationClassContext, then the
    lists of both splits. Returns {split: number of photographs}.

    root: .../VOCdevkit/VOC2010. workers: processes (default: all cores). The whole file is held in
    memory. Raises ValueError for a file of another form.
    """
    annotation, root = Path(annotation), Path(root)
    try:
        content = json.loads(annotation.read_bytes())
        pictures = {p["image_id"]: p for p in content["images"] if p["phase"] in PHASES}
        masks = defaultdict(list)
        for part in content["annos_segmentation"]:
            if part["image_id"] in pictures:
                masks[part["image_id"]].append((part["category_id"], part["segmentation"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{annotation} is not a whole Detail annotation ({type(error).__name__}: {error}); "
            "expected the lists images and annos_segmentation. Broken download?"
        ) from error
    tasks = [
        (Path(p["file_name"]).stem, (p["height"], p["width"]), masks[i])
        for i, p in pictures.items()
    ]
    each(partial(_paint, root / LABELS), tasks, workers=workers, what="painting labels")
    names = {
        phase: [Path(p["file_name"]).stem for p in pictures.values() if p["phase"] == phase]
        for phase in PHASES
    }
    return _write_lists(names, root)


def paint(size: tuple[int, int], masks: list[tuple[int, dict]]) -> np.ndarray:
    """Classes (H, W) uint8 of one photograph: masks in order, later ones over earlier ones."""
    ids = np.zeros(size, np.int64)  # (H, W), 0 = background
    for category, mask in masks:
        inside = decode(mask)  # (H, W)
        if inside.shape != ids.shape:
            raise ValueError(f"a mask of {inside.shape} on a photograph of {ids.shape} pixels")
        ids[inside] = category
    return from_annotation(ids)


def _paint(folder: Path, task: tuple) -> None:
    name, size, masks = task
    try:
        _save(Image.fromarray(paint(size, masks)), folder / f"{name}.png")
    except ValueError as error:
        raise ValueError(f"annotation of {name}: {error}") from error


def from_dictionaries(folder: str | Path, root: str | Path, *, workers: int | None = None) -> dict:
    """Write the label images of train.pth and val.pth, found in `folder`, and the lists of both
    splits. Returns {split: number of photographs}. Raises ValueError for files of another form.
    """
    names = {}
    for phase in PHASES:
        path = Path(folder) / f"{phase}.pth"
        labels = _read_dictionary(path)
        names[phase] = []
        for key, picture in labels.items():
            stem = str(key)
            if not stem.isdigit() or not isinstance(picture, Image.Image):
                raise ValueError(f"{path} maps {key!r} to {type(picture).__name__}, not a picture")
            names[phase].append(f"{stem[:4]}_{stem[4:]}")
        tasks = list(zip(names[phase], labels.values(), strict=True))
        each(partial(_export, Path(root) / LABELS), tasks, workers=workers, what=f"labels {phase}")
    return _write_lists(names, Path(root))


def _read_dictionary(path: Path) -> dict:
    import torch

    try:
        with torch.serialization.safe_globals([Image.Image]):
            labels = torch.load(path, weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises many kinds for what it will not read
        raise ValueError(
            f"{path} is not a dictionary of plain label pictures and was not executed "
            f"({type(error).__name__}): use trainval_merged.json instead"
        ) from error
    if not isinstance(labels, dict) or not labels:
        raise ValueError(f"{path} holds {type(labels).__name__}, expected a dictionary of pictures")
    return labels


def _export(folder: Path, task: tuple) -> None:
    name, picture = task
    _save(picture, folder / f"{name}.png")


def _save(picture: Image.Image, path: Path) -> None:
    """Through another name: a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    picture.save(part, "PNG")
    part.replace(path)


def _write_lists(names: dict[str, list[str]], root: Path) -> dict:
    """Last of all: where the lists are, the labels are whole."""
    (root / LISTS).mkdir(parents=True, exist_ok=True)
    for phase, stems in names.items():
        text = "".join(f"{stem}\n" for stem in sorted(stems))
        (root / LISTS / f"{phase}.txt").write_text(text)
    return {phase: len(stems) for phase, stems in names.items()}
