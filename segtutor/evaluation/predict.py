"""Label maps of your own photographs, of any size, one file after the other.

Taught in   : chapter 14; chapter 11 ("bring your own 20 images")

Files are read when their turn comes and let go when their answer is out, so a folder of any length
needs the memory of a few photographs. What is drawn from the answers is up to
insight/overlays.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from segtutor.data.dataset import read_image
from segtutor.data.folder import IMAGES
from segtutor.evaluation.inference import predictions
from segtutor.evaluation.protocols import Protocol


class Predicted(NamedTuple):
    """path: of the photograph. image: (3, H, W) uint8. prediction: (H, W) int64 class ids."""

    path: Path
    image: Tensor
    prediction: Tensor


def image_files(paths: Sequence[str | Path]) -> list[Path]:
    """Photographs from a mixed list of files and folders (a folder: its image files, sorted).

    Raises FileNotFoundError for what is not there and for a folder without images, ValueError when
    two files have the same name but for folder and ending, since their answers would overwrite each
    other.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES)
            if not inside:
                raise FileNotFoundError(f"{path} holds no image files ({', '.join(IMAGES)})")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"no file or folder {path}")
    names: dict[str, Path] = {}
    for file in files:
        if file.stem in names:
            raise ValueError(
                f"{names[file.stem]} and {file} would both be written as {file.stem}.png: predict "
                "them in two calls with different output folders"
            )
        names[file.stem] = file
    return files


def predict_files(
    model: nn.Module,
    files: Sequence[Path],
    protocol: Protocol,
    *,
    batch: int = 8,
    problems: dict[Path, str] | None = None,
) -> Iterator[Predicted]:
    """The answer for each photograph in turn, at its own resolution.

    batch: windows that go through the model together, also from different photographs. problems: a
    dict that collects what is wrong with files that cannot be read, and the others go on; None
    raises the first such ValueError. The model is put into evaluation mode while this runs.
    """
    under_way: deque[tuple[Path, Tensor]] = deque()

    def photographs() -> Iterator[tuple[str, Tensor]]:
        for path in files:
            try:
                image = read_image(path)  # (3, H, W)
            except ValueError as error:
                if problems is None:
                    raise
                problems[path] = str(error)
                continue
            under_way.append((path, image))
            yield str(path), image

    was_training = model.training
    model.eval()
    try:
        found = predictions(model, photographs(), protocol, model.config.normalisation, batch=batch)
        for prediction in found:
            yield Predicted(*under_way.popleft(), prediction)
    finally:
        model.train(was_training)
