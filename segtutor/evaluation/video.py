"""A video as frames, one at a time, and frames as a video.

Taught in   : chapter 14
Needs       : PyAV (`pip install "segtutor[video]"`), imported when a video is opened

However long the video, no more than a few frames are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")


class Frame(NamedTuple):
    """image: (3, H, W) uint8. name: file and number. number: counted from 0."""

    image: Tensor
    name: str
    number: int


def _av():
    try:
        import av
    except ImportError as error:
        raise ValueError(
            'videos are read with PyAV, which is not installed: pip install "segtutor[video]"'
        ) from error
    return av


class Video:
    """A video file, opened once per walk through it.

    count: frames as the file says, None where it says nothing. rate: frames per second. Raises
    ValueError naming a file that holds no video that can be read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with self._open() as container:
            stream = container.streams.video[0]
            self.count = stream.frames or None
            self.rate = stream.average_rate or 25

    def _open(self):
        av = _av()
        try:
            container = av.open(str(self.path))
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.path} cannot be read as a video ({error})") from error
        if not container.streams.video:
            container.close()
            raise ValueError(
                f"{self.path} holds no pictures, only {len(container.streams)} streams"
            )
        return container

    def frames(self, limit: int | None = None) -> Iterator[Frame]:
        """The frames in their order. A broken place ends the walk with ValueError naming file and
        frame.
        """
        number = 0
        with self._open() as container:
            try:
                for frame in container.decode(video=0):
                    if number == limit:
                        return
                    pixels = frame.to_ndarray(format="rgb24")  # (H, W, 3)
                    image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()  # (3, H, W)
                    yield Frame(image, f"{self.path} frame {number}", number)
                    number += 1
            except _av().error.FFmpegError as error:
                raise ValueError(
                    f"{self.path} is broken after {number} frames ({error})"
                ) from error
        if number == 0:
            raise ValueError(f"{self.path} holds no frame")


class VideoWriter:
    """Frames, (H, W, 3) uint8 of one size, into an MP4 file; used as a context.

    rate: frames per second. An odd side loses its last row or column, as the format demands.
    """

    def __init__(self, path: str | Path, rate):
        self.path, self.rate, self.stream = Path(path), rate, None

    def __enter__(self) -> VideoWriter:
        self.container = _av().open(str(self.path), "w")
        return self

    def add(self, pixels: np.ndarray) -> None:
        pixels = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]  # (H, W, 3)
        if self.stream is None:
            self.stream = self.container.add_stream("mpeg4", rate=self.rate)
            self.stream.height, self.stream.width = pixels.shape[:2]
            self.stream.pix_fmt, self.stream.bit_rate = "yuv420p", 8_000_000
        frame = _av().VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        self.container.mux(self.stream.encode(frame))

    def __exit__(self, *problem) -> None:
        if self.stream is not None:
            self.container.mux(self.stream.encode())
        self.container.close()
