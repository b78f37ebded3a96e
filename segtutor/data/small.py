"""Data for miniatures: CamVid with a quarter of its pixels, and scenes painted when asked for.

Taught in   : chapter 16, Ablations, baselines and tables
Source      : ours

A miniature of a training lasts half a minute. At CamVid's own size most of that would go into
reading and shrinking photographs that are then cut to a small crop.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from segtutor.data.camvid import CamVid
from segtutor.data.dataset import Sample, SegmentationData
from segtutor.data.loading import Cached
from segtutor.data.toyscenes import ToyScenes

EVERY = 7  # of CamVid's 233 test photographs, frames of two drives: 34 are left
SCENE = (64, 96)
SCENES = {"train": 512, "val": 64, "test": 64}


class Shrunk:
    """A data set whose pictures and label maps are `factor` times smaller (labels: nearest).
    every: only each so-manieth sample.
    """

    def __init__(self, data: SegmentationData, factor: int, *, every: int = 1):
        self.data, self.factor = data, factor
        self.places = range(0, len(data), every)
        for attribute in ("name", "classes", "palette", "ignore"):
            setattr(self, attribute, getattr(data, attribute))
        if hasattr(data, "names"):
            self.names = [data.names[i] for i in self.places]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:
        image, label, name = self.data[self.places[index]]
        size = [side // self.factor for side in label.shape]
        small = F.interpolate(image[None].float(), size, mode="bilinear", antialias=True)
        ids = F.interpolate(label[None, None].float(), size, mode="nearest-exact")  # (1, 1, h, w)
        return Sample(small[0].round().to(torch.uint8), ids[0, 0].to(label.dtype), name)


def camvid_small(split: str = "train", data_root: str | Path | None = None) -> Cached:
    """CamVid at 240x180, kept in memory once read; of `test` every seventh photograph."""
    small = Shrunk(CamVid(split, data_root), 2, every=EVERY if split == "test" else 1)
    small.name = f"CamVid {split}, half its sides"
    return Cached(small)


def toy_scenes_small(split: str = "train", data_root: str | Path | None = None) -> Cached:
    """ToyScenes of 64x96 pixels: 512 to train on, 64 to test. data_root: not needed."""
    return Cached(ToyScenes(split, size=SCENE, length=SCENES.get(split)))
