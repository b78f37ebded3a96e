"""Your own photographs and label images, from two folders.

Taught in   : chapter 01; chapter 11 ("bring your own 20 images") goes further
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from segtutor.data.dataset import IGNORE, Sample, check_label, check_pair, read_image, read_label

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class FolderData:
    """Pairs `images/NAME.jpg` with `labels/NAME.png`; names must match but for the ending.

    images, labels: folders. classes: K names. palette: K RGB triples (made up if None).
    raw_ignore: a label value of the files that means "do not count", turned into 255 when read.
    Nothing is opened before it is asked for. Raises FileNotFoundError for a missing or empty
    folder and for photos without label (or the other way round); with strict=False those are left
    out and written into `problems` ({name: sentence}).
    """

    ignore = IGNORE

    def __init__(
        self,
        images: str | Path,
        labels: str | Path,
        classes: Sequence[str],
        *,
        palette: Sequence[tuple[int, int, int]] | None = None,
        raw_ignore: int | None = None,
        name: str = "folder",
        strict: bool = True,
    ):
        self.name, self.classes, self.raw_ignore = name, tuple(classes), raw_ignore
        self.palette = tuple(palette) if palette else made_up_palette(len(self.classes))
        found = {"images": _by_stem(Path(images)), "labels": _by_stem(Path(labels))}
        alone = sorted(found["images"].keys() ^ found["labels"].keys())
        if alone and strict:
            raise FileNotFoundError(
                f"{len(alone)} files have no partner of the same name in the other folder, first "
                f"{alone[0]!r} (photos in {images}, labels in {labels})"
            )
        self.problems = {
            n: f"{n}: no {'label image' if n in found['images'] else 'photograph'} of this name"
            for n in alone
        }
        self.names = sorted(found["images"].keys() & found["labels"].keys())
        self.images = [found["images"][n] for n in self.names]
        self.labels = [found["labels"][n] for n in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        image, label = read_image(self.images[index]), self.read_label(index)
        check_pair(image, label, self.images[index])
        return Sample(image, label, self.names[index])

    def read_label(self, index: int) -> Tensor:
        label = read_label(self.labels[index])  # (H, W)
        if self.raw_ignore is not None:
            label = torch.where(label == self.raw_ignore, IGNORE, label).to(torch.uint8)
        check_label(label, len(self.classes), self.ignore, self.labels[index])
        return label


EVERY = 5  # in a folder without splits each fifth pair, by name, is kept for validation


def own_folder(
    root: str | Path,
    split: str = "all",
    data_root: str | Path | None = None,
    *,
    raw_ignore: int | None = None,
    strict: bool = True,
) -> FolderData:
    """A folder with `images/`, `labels/` and `classes.txt`, as the command line takes it.

    With splits, `images/` and `labels/` hold a folder for each: `images/train`, `labels/train`.
    Without, `split` is "all", "val" (each fifth pair, by name) or "train" (the other four).
    classes.txt: a name a line, in the order of their label values 0, 1, ...; a last line
    `ignore: 11` names a value that does not count (or raw_ignore does). data_root: only needed if
    root is relative to it. Raises FileNotFoundError for what is not there, with what is.
    """
    places = [Path(root), *([Path(data_root) / root] if data_root else [])]
    home = next((place for place in places if place.is_dir()), places[0])
    names, ignored = read_classes(home / "classes.txt")
    raw_ignore = ignored if raw_ignore is None else raw_ignore
    splits = splits_of_folder(home)
    if split not in splits:
        raise FileNotFoundError(f"{home} has no split {split!r}; there are {', '.join(splits)}")
    inner = "" if "all" in splits else split
    name = home.name if split == "all" else f"{home.name} {split}"
    options = dict(raw_ignore=raw_ignore, strict=strict, name=name)
    data = FolderData(home / "images" / inner, home / "labels" / inner, names, **options)
    if not inner and split != "all":
        chosen = [i for i in range(len(data)) if (i % EVERY == EVERY - 1) == (split == "val")]
        for part in ("names", "images", "labels"):
            setattr(data, part, [getattr(data, part)[i] for i in chosen])
    return data


def splits_of_folder(root: str | Path) -> tuple[str, ...]:
    """Names of the folders in `images/`; ("train", "val", "all") where photographs lie in it."""
    images = Path(root) / "images"
    if not images.is_dir():
        raise FileNotFoundError(f"{root} holds no folder images/ (photographs)")
    inner = tuple(sorted(p.name for p in images.iterdir() if p.is_dir()))
    return inner or ("train", "val", "all")


def read_classes(path: str | Path) -> tuple[list[str], int | None]:
    """classes.txt: names of the classes, and the label value that does not count (None: 255)."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}: write the names of the classes into it, one a line, in the order of "
            "their label values 0, 1, ...; and `ignore: VALUE` last, if a value does not count"
        )
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    if lines and lines[-1].startswith("ignore:"):
        value = lines.pop().removeprefix("ignore:").strip()
        if not value.isdigit() or int(value) > 255:
            raise ValueError(f"{path}: the last line says ignore: {value!r}, expected 0..255")
        return lines, int(value)
    return lines, None


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    files = {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in IMAGES}
    if not files:
        raise FileNotFoundError(f"{folder} holds no image files ({', '.join(IMAGES)})")
    return files


def made_up_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` distinct colours: golden-angle hues in two lightness steps."""
    import colorsys

    hues = [(i * 0.61803) % 1.0 for i in range(count)]
    rgb = [colorsys.hls_to_rgb(h, 0.45 if i % 2 else 0.65, 0.65) for i, h in enumerate(hues)]
    return tuple(tuple(round(255 * c) for c in colour) for colour in rgb)
