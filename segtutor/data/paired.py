"""What the readers of the benchmarks share: finding the folder, pairing files, translating labels.

Taught in   : chapter 11
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segtutor.data.dataset import IGNORE, Sample, check_pair, read_image, read_label
from segtutor.locations import data_roots

Colour = tuple[int, int, int]


def table(name: str) -> dict:
    """The data file `name`.json beside this module: names, colours, ids."""
    return json.loads((resources.files("segtutor.data") / f"{name}.json").read_text("utf-8"))


def find_root(
    what: str,
    *,
    folders: Sequence[str],
    marks: Sequence[str],
    needed: Sequence[str],
    archives: Sequence[str],
    data_root: str | Path | None,
) -> Path:
    """The folder of a data set.

    In each place of `locations.data_roots`: that place itself if it holds one of `marks`, else the
    first of `folders` in it. Raises FileNotFoundError with the places looked at, or, when a part in
    `needed` is missing there, with that part. archives: names of files which, where found, show
    that nothing was unpacked yet.
    """
    places = data_roots(data_root)
    for place in places:
        own = place if any((place / mark).is_dir() for mark in marks) else None
        inner = (place / folder for folder in folders if (place / folder).is_dir())
        root = own or next(inner, None)
        if root is None:
            continue
        missing = [part for part in needed if not (root / part).exists()]
        if missing:
            raise FileNotFoundError(
                f"{what} in {root} is incomplete: no {', no '.join(missing)}. "
                f"Unpack {' and '.join(archives)} completely into this place"
            )
        return root.resolve()
    packed = [str(p / a) for p in places for a in archives if (p / a).is_file()]
    if packed:
        raise FileNotFoundError(f"{what} is not unpacked yet: unpack {', '.join(packed)}")
    looked = ", ".join(str(place / folder) for place in places for folder in folders)
    raise FileNotFoundError(
        f"{what} not found; looked at {looked}. Put it there, or name the folder that holds "
        f"{folders[0]!r} with data_root=... or the environment variable SEGTUTOR_DATA"
    )


def translation(classes: Mapping[int, int]) -> np.ndarray:
    """Label value in the file -> class, as an array (256,) int16; -1 = must not occur."""
    array = np.full(256, -1, np.int16)
    for value, label in classes.items():
        array[value] = label
    return array


class PairedData:
    """Photographs and label images that belong together by name.

    images, labels: {sample name: file}; labels None = no labels (a test split; every pixel counts
    as ignored). names: which samples, in this order (default: all, sorted). translate: see
    `translation`. published: numbers of samples the published split is known with.
    strict: a sample without photograph or without label image raises FileNotFoundError; False
    leaves it out and writes it into `problems` ({name: sentence}).
    """

    ignore = IGNORE

    def __init__(
        self,
        *,
        name: str,
        classes: Iterable[str],
        palette: Iterable[Colour],
        images: Mapping[str, Path],
        labels: Mapping[str, Path] | None,
        translate: np.ndarray,
        names: Sequence[str] | None = None,
        published: Sequence[int] = (),
        strict: bool = True,
    ):
        self.name, self.classes = name, tuple(classes)
        self.palette = tuple(tuple(colour) for colour in palette)
        self.translate, self.published = translate, tuple(published)
        if names is None:
            names = sorted({*images, *(labels or images)})
        self.problems = {}
        for n in names:
            if n not in images:
                self.problems[n] = f"{n}: no photograph of this name"
            elif labels is not None and n not in labels:
                self.problems[n] = f"{n}: no label image for {images[n]}"
        if not names or (strict and self.problems):
            first = next(iter(self.problems.values()), "the folders hold no files")
            raise FileNotFoundError(
                f"{name}: {len(images)} photographs, {len(images if labels is None else labels)} "
                f"label images, {len(self.problems)} without partner; first {first}. "
                "Unpacked only in part?"
            )
        self.names = [n for n in names if n not in self.problems]
        self.images = [images[n] for n in self.names]
        self.labels = None if labels is None else [labels[n] for n in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        image = read_image(self.images[index])
        if self.labels is None:
            label = torch.full(image.shape[-2:], IGNORE, dtype=torch.uint8)  # (H, W)
        else:
            label = self.read_label(index)
        check_pair(image, label, self.images[index])
        return Sample(image, label, self.names[index])

    def read_label(self, index: int) -> Tensor:
        """(H, W) uint8: classes and 255. Raises ValueError for a value with no meaning here."""
        raw = read_label(self.labels[index])  # (H, W)
        return translated(raw, self.translate, self.labels[index])


def translated(raw: Tensor, translate: np.ndarray, source: str | Path) -> Tensor:
    """Label values -> classes, (H, W) uint8 both; ValueError names file and values with none."""
    present = np.flatnonzero(np.bincount(raw.numpy().ravel(), minlength=256))
    wrong = present[translate[present] < 0].tolist()
    if wrong:
        known = np.flatnonzero(translate >= 0)
        raise ValueError(
            f"{source} holds label values {wrong}; expected {_ranges(known.tolist())}: "
            "labels of another data set, or already converted?"
        )
    return torch.from_numpy(translate.astype(np.uint8)[raw.numpy()])  # (H, W)


def _ranges(numbers: list[int]) -> str:
    """[0, 1, 2, 255] -> "0..2, 255"."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in runs)


def by_name(folder: Path, pattern: str, ending: str) -> dict[str, Path]:
    """{file name without `ending`: file} of what matches `pattern` under `folder`."""
    return {p.name.removesuffix(ending): p for p in sorted(folder.glob(pattern))}


def check_prediction(
    prediction: Tensor, classes: int, name: str, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Class ids (H, W) as an array fit for a test server; ValueError says what is not."""
    if prediction.ndim != 2 or prediction.dtype.is_floating_point:
        raise ValueError(
            f"{name}: expected class ids, (H, W) of a whole-number type; got "
            f"{tuple(prediction.shape)} {prediction.dtype}. Take the argmax over classes first"
        )
    if size is not None and tuple(prediction.shape) != size:
        raise ValueError(
            f"{name}: the server wants {size[0]}x{size[1]} (height x width), this prediction has "
            f"{prediction.shape[0]}x{prediction.shape[1]}: upsample the scores, then the argmax"
        )
    low, high = int(prediction.min()), int(prediction.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name}: class ids {low}..{high}, expected 0..{classes - 1}; the server takes no "
            "'ignore' and every pixel needs a class"
        )
    return prediction.cpu().numpy()
