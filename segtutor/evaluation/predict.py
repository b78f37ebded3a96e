"""Label maps of your own photographs, of any size, one file after the other.

Taught in   : chapter 14; chapter 11 ("bring your own 20 images")

Files are read when their turn comes and let go when their answer is out, so a folder of any length
needs the memory of a few photographs. Photographs are turned as the camera noted. Videos are in
video.py; what is drawn from the answers is up to insight/overlays.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from segtutor.data.dataset import read_image
from segtutor.data.folder import IMAGES
from segtutor.evaluation.ahead import ahead
from segtutor.evaluation.inference import answers
from segtutor.evaluation.protocols import Protocol
from segtutor.evaluation.video import VIDEOS


class Photo(NamedTuple):
    """path: of the photograph. image: (3, H, W) uint8. name: the path as text, for errors."""

    path: Path
    image: Tensor
    name: str


def image_files(paths: Sequence[str | Path]) -> list[Path]:
    """Photographs and videos from a mixed list of files and folders (a folder: its image and video
    files, sorted).

    Raises FileNotFoundError for what is not there and for a folder without any, ValueError when
    two files have the same name but for folder and ending, since their answers would overwrite each
    other.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in (*IMAGES, *VIDEOS))
            if not inside:
                known = ", ".join((*IMAGES, *VIDEOS))
                raise FileNotFoundError(f"{path} holds no image or video files ({known})")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"no file or folder {path}")
    names: dict[str, Path] = {}
    for file in files:
        if file.stem in names:
            raise ValueError(
                f"{names[file.stem]} and {file} would both be written as {file.stem}: predict "
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
) -> Iterator[tuple[Photo, Tensor]]:
    """The answer for each photograph in turn, (H, W) class ids at its own resolution.

    batch: windows that go through the model together, also from different photographs. problems: a
    dict that collects what is wrong with files that cannot be read or tested, and the others go on;
    None raises the first such error. The model is put into evaluation mode while this runs.
    """

    def read(path: Path) -> Photo | Exception:
        try:
            photo = Photo(path, read_image(path, upright=True), str(path))
            protocol.copies(tuple(photo.image.shape[-2:]), photo.name)  # can it be tested?
            return photo
        except Exception as error:  # decoders raise many kinds for broken files
            return error

    def photos() -> Iterator[Photo]:
        for path, found in zip(files, ahead(read, files), strict=True):
            if isinstance(found, Photo):
                yield found
            elif problems is None:
                raise found
            else:
                problems[path] = str(found) if str(path) in str(found) else f"{path}: {found}"

    yield from answers(model, photos(), protocol, batch=batch)
