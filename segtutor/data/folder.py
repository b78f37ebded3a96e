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
    folder and for photos without label (or the other way round).
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
    ):
        self.name, self.classes, self.raw_ignore = name, tuple(classes), raw_ignore
        self.palette = tuple(palette) if palette else made_up_palette(len(self.classes))
        found = {"images": _by_stem(Path(images)), "labels": _by_stem(Path(labels))}
        alone = sorted(found["images"].keys() ^ found["labels"].keys())
        if alone:
            raise FileNotFoundError(
                f"{len(alone)} files have no partner of the same name in the other folder, first "
                f"{alone[0]!r} (photos in {images}, labels in {labels})"
            )
        self.names = sorted(found["images"])
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
