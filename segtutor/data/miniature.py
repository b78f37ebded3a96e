"""Miniature trees of the benchmarks: the files, names and codes of the real ones, painted scenes in
them.

Taught in   : chapter 11; the "Full training" notebooks run on them where the real data are not here
Licence     : every pixel is made by this library (ToyScenes); no photograph of a benchmark is in it
Beware      : a score on a miniature says that the machinery turns, nothing about the benchmark

The eight classes of ToyScenes are coded as the benchmark codes the class of that name. Where it has
none, a pixel becomes what the benchmark gives to things outside its list, as do the borders.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from segtutor.data import camvid
from segtutor.data.dataset import IGNORE
from segtutor.data.paired import table
from segtutor.data.pascal_context import ANNOTATION_IDS
from segtutor.data.rle import encode
from segtutor.data.toyscenes import ToyScenes

# ToyScenes' classes sky, building, tree, grass, road, water, car, person, as a benchmark names them
# (Cityscapes' "ground" and CamVid's "void" are not evaluated)
ALIKE = {
    "ade20k": "sky, building, tree, grass, road, water, car, person",
    "pascal_context": "sky, building, tree, grass, road, water, car, person",
    "cityscapes": "sky, building, vegetation, terrain, road, ground, car, person",
    "camvid": "Sky, Building, Tree, Tree, Road, void, Car, Pedestrian",
}
NAMES = tuple(ALIKE)
CELL = 8  # pixels; the coarse annotation labels cells that hold one class only


def write_miniature(
    name: str,
    folder: str | Path,
    *,
    count: int = 6,
    size: tuple[int, int] = (96, 128),
    seed: int = 0,
    raw: bool = False,
) -> Path:
    """Write a tree of `name` under `folder` and return `folder`, which is its data_root.

    name: one of NAMES; several may share a folder. count: photographs per split with labels (test
    splits without labels get two). size: (H, W) of all. raw: as before `segtutor data prepare`:
    Pascal Context's labels as trainval_merged.json, Cityscapes' as polygons only. The
    same arguments write the same pixels. Readers, `segtutor data check --subset`, training and
    evaluation take it for the real thing.
    """
    writers = {
        "ade20k": _ade20k,
        "pascal_context": _pascal_context,
        "cityscapes": _cityscapes,
        "camvid": _camvid,
    }
    if name not in writers:
        raise ValueError(f"no miniature of {name!r}; there are {', '.join(NAMES)}")
    if count < 2:
        raise ValueError(f"a miniature of {count} photographs: expected 2 or more")
    code = codes(name)

    def scenes(split: str, number: int = count):
        toys = ToyScenes(split, size=size, seed=seed, length=number)
        for i in range(number):
            image, label, _ = toys[i]
            yield i, image.permute(1, 2, 0).numpy(), code[label.numpy()]  # (H, W, 3), (H, W)

    writers[name](Path(folder), scenes, raw)
    return Path(folder)


def codes(name: str) -> np.ndarray:
    """(256,) uint8: class of ToyScenes, or 255 -> value in the label files of benchmark `name`."""
    if name == "camvid":
        values = {"void": 11, **{c: k for k, c in enumerate(camvid.CLASSES)}}
        nothing = values["void"]
    elif name == "cityscapes":
        values, nothing = {row[0]: row[1] for row in table(name)["labels"]}, 0
    else:  # ADE20K counts from 1; 0 is "other" there and "background" in Pascal Context
        first = 1 if name == "ade20k" else 0
        values = {row[0]: k + first for k, row in enumerate(table(name)["classes"])}
        nothing = 0
    code = np.zeros(256, np.uint8)
    alike = [values[c] for c in ALIKE[name].split(", ")]
    code[: len(alike)], code[IGNORE] = alike, nothing
    return code


def _ade20k(folder: Path, scenes, raw: bool) -> None:
    root = folder / "ADEChallengeData2016"
    for split, part in (("train", "training"), ("val", "validation")):
        for i, photo, label in scenes(split):
            name = f"ADE_{split}_{i + 1:08d}"
            _save(photo, root / "images" / part / f"{name}.jpg")
            _save(label, root / "annotations" / part / f"{name}.png")
    for i, photo, _ in scenes("test", 2):
        _save(photo, folder / "release_test" / "testing" / f"ADE_test_{i + 1:08d}.jpg")


def _pascal_context(folder: Path, scenes, raw: bool) -> None:
    root, pictures, masks = folder / "VOCdevkit" / "VOC2010", [], []
    for split, year in (("train", 2008), ("val", 2009)):
        names = []
        for i, photo, label in scenes(split):
            names.append(f"{year}_{i + 1:06d}")
            _save(photo, root / "JPEGImages" / f"{names[-1]}.jpg")
            if not raw:
                _save(label, root / "SegmentationClassContext" / f"{names[-1]}.png")
                continue
            number = int(names[-1].replace("_", ""))
            sides = {"height": label.shape[0], "width": label.shape[1]}
            file = {"file_name": f"{names[-1]}.jpg", "phase": split}
            pictures.append({"image_id": number, **sides, **file})
            for k in np.unique(label[label > 0]).tolist():
                kind = {"image_id": number, "category_id": ANNOTATION_IDS[k]}
                masks.append({**kind, "id": len(masks) + 1, "segmentation": encode(label == k)})
        if not raw:
            lists = root / "ImageSets" / "SegmentationContext"
            lists.mkdir(parents=True, exist_ok=True)
            (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    if raw:
        content = {"images": pictures, "annos_segmentation": masks}
        (root / "trainval_merged.json").write_text(json.dumps(content))


def _cityscapes(folder: Path, scenes, raw: bool) -> None:
    root = folder / "cityscapes"
    for split, cities in (("train", ("aachen", "bochum")), ("val", ("lindau",))):
        for i, photo, label in scenes(split):
            city = cities[i % len(cities)]
            stem = f"{split}/{city}/{city}_{i:06d}_000019"
            _save(photo, root / "leftImg8bit" / f"{stem}_leftImg8bit.png")
            _annotate(label.shape, runs(label), root / "gtFine" / f"{stem}_gtFine", raw)
    for i, photo, label in scenes("test", 4):  # other scenes: two for the server, two "extra"
        part, city = (("test", "berlin"), ("train_extra", "augsburg"))[i // 2]
        stem = f"{part}/{city}/{city}_{i:06d}_000019"
        _save(photo, root / "leftImg8bit" / f"{stem}_leftImg8bit.png")
        if part == "train_extra":
            _annotate(label.shape, cells(label), root / "gtCoarse" / f"{stem}_gtCoarse", raw)


def _camvid(folder: Path, scenes, raw: bool) -> None:
    root = folder / "camvid"
    for split in ("train", "val", "test"):
        for i, photo, label in scenes(split):
            drive = ("0001TP", "0006R0")[i % 2]  # the second is held out by `train-fit`
            _save(photo, root / "images" / split / f"{drive}_{30 * i:06d}.jpg")
            _save(label, root / "labels" / split / f"{drive}_{30 * i:06d}.png")


Box = tuple[int, int, int, int, int]  # label id, left, top, right, bottom; both ends included


def runs(label: np.ndarray) -> list[Box]:
    """Boxes that tile a label map (H, W) exactly: runs of one value in a row, merged downwards."""
    done: list[Box] = []
    open_runs: dict[tuple[int, int, int], int] = {}  # (value, left, right) -> top row
    for y, row in enumerate([*label, np.empty(0, label.dtype)]):
        cuts = np.flatnonzero(np.diff(row)) + 1
        starts, ends = [0, *cuts], [*(cuts - 1), len(row) - 1]
        here = {
            (int(row[a]), int(a), int(b)) for a, b in zip(starts, ends, strict=True) if len(row)
        }
        for value, left, right in open_runs.keys() - here:
            done.append((value, left, open_runs.pop((value, left, right)), right, y - 1))
        open_runs |= {run: y for run in here - open_runs.keys()}
    return sorted(done, key=lambda box: (box[2], box[1]))


def cells(label: np.ndarray) -> list[Box]:
    """Boxes of the cells of CELL x CELL pixels that hold one value: a coarse annotation."""
    boxes = []
    for top in range(0, label.shape[0], CELL):
        for left in range(0, label.shape[1], CELL):
            cell = label[top : top + CELL, left : left + CELL]
            if (cell == cell[0, 0]).all():
                bottom, right = top + cell.shape[0] - 1, left + cell.shape[1] - 1
                boxes.append((int(cell[0, 0]), left, top, right, bottom))
    return boxes


def _annotate(size: tuple[int, int], boxes: list[Box], stem: Path, raw: bool) -> None:
    """Write STEM_polygons.json and, unless raw, STEM_labelIds.png."""
    names = {row[1]: row[0] for row in table("cityscapes")["labels"]}
    label, objects = np.zeros(size, np.uint8), []
    for value, left, top, right, bottom in boxes:
        label[top : bottom + 1, left : right + 1] = value
        if value:  # "unlabeled" is what nobody draws
            corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
            objects.append({"label": names[value], "polygon": corners})
    if not raw:
        _save(label, stem.with_name(f"{stem.name}_labelIds.png"))
    path = stem.with_name(f"{stem.name}_polygons.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"imgHeight": size[0], "imgWidth": size[1], "objects": objects}))


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"quality": 92} if path.suffix == ".jpg" else {}))
