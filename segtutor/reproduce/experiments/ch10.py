"""Chapter 10: patch size at equal image and at equal tokens; drop path and dropout.

Factors: the side P of a patch, once on one picture (small patches are then many tokens), once with
as many tokens for every P (the picture then has more or fewer pixels; blurred, it has more pixels
but no more detail); and two regularisers on few training scenes. Segmenter with the linear decoder,
trained as a whole from random weights.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
import torch.nn.functional as F

from segtutor.data import Cached, Sample, SegmentationData
from segtutor.data.toyscenes import ToyScenes
from segtutor.models import SegmentationModel, segmenter_linear
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.experiments.whole import score, seen_and_unseen, toy_scenes
from segtutor.training import Recipe, train

PATCHES = {  # variant -> P, by what the picture's sides are multiplied, whether it is blurred
    "/8": (8, 1, False),
    "/16": (16, 1, False),
    "/4": (4, 1, False),
    "/16, twice the sides": (16, 2, False),
    "/16, twice the sides, blurred": (16, 2, True),
    "/4, half the sides": (4, 0.5, False),
}
RATES = {  # variant -> drop path, dropout
    "neither": (0.0, 0.0),
    "drop path 0.1": (0.1, 0.0),
    "dropout 0.1": (0.0, 0.1),
    "both": (0.1, 0.1),
}


def trained(data, settings, seed, *, patch, image, drop_path=0.0, dropout=0.0) -> SegmentationModel:
    """A small Segmenter with the linear decoder, trained on `data`."""
    torch.manual_seed(seed)
    model = segmenter_linear(
        len(data.classes),
        settings.model,
        patch=patch,
        image=image,
        norm_eps=1e-6,
        drop_path=drop_path,
        dropout=dropout,
    )
    recipe = Recipe(
        steps=settings.steps,
        batch=settings.batch,
        lr=settings.lr,
        optimiser="adamw",
        warmup=settings.steps // 8,
        weight_decay=0.01,
        precision="float32",
        seed=seed,
    )
    train(model, data, recipe, verbose=False)
    return model


def resized(settings: SimpleNamespace, times: float) -> tuple[int, int]:
    """The picture's sides, multiplied."""
    return tuple(int(times * side) for side in settings.size)


def three_sizes(settings: SimpleNamespace, data_root: str | None = None) -> SimpleNamespace:
    """The same ToyScenes with half, with all and with twice the sides: train and test by factor."""

    def scenes(split, times, length):
        return Cached(ToyScenes(split, size=resized(settings, times), length=length))

    times = sorted({t for _, t, _ in PATCHES.values()})
    return SimpleNamespace(
        train={t: scenes("train", t, settings.scenes) for t in times},
        test={t: scenes("test", t, settings.tests) for t in times},
        data=f"ToyScenes of {settings.size[0]}x{settings.size[1]}, encoder from random weights",
    )


class Blurred:
    """A data set whose pictures lose every detail smaller than 2x2 pixels, but no pixel."""

    def __init__(self, data: SegmentationData):
        self.data = data
        for attribute in ("name", "classes", "palette", "ignore"):
            setattr(self, attribute, getattr(data, attribute))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        image, label, name = self.data[index]
        coarse = F.avg_pool2d(image.float(), 2).round().to(torch.uint8)  # (3, H/2, W/2)
        blurred = coarse.repeat_interleave(2, 1).repeat_interleave(2, 2)  # (3, H, W)
        return Sample(blurred, label, name)


def run_patches(bench, settings, variant, seed):
    patch, times, blurred = PATCHES[variant]
    image = resized(settings, times)
    train_data, test_data = bench.train[times], bench.test[times]
    if blurred:
        train_data, test_data = Blurred(train_data), Blurred(test_data)
    model = trained(train_data, settings, seed, patch=patch, image=image)
    return score(model, test_data, labels=bench.test[1])  # all on the same label maps


def run_regularised(bench, settings, variant, seed):
    drop_path, dropout = RATES[variant]
    rates = dict(drop_path=drop_path, dropout=dropout)
    model = trained(
        bench.train, settings, seed, patch=settings.patch, image=tuple(settings.size), **rates
    )
    return seen_and_unseen(model, bench)


PATCH_SIZE = Experiment(
    name="10-patch-size",
    question="Small patches: is it the finer grid that helps, or the pixels they show?",
    variants=tuple(PATCHES),
    metrics=("miou", "accuracy", "border_accuracy", "inside_accuracy"),
    settings=dict(
        smoke=dict(size=(64, 96), scenes=4, tests=2, steps=2, batch=2, lr=1e-3, model=(32, 2, 2)),
        cpu=dict(
            size=(64, 96), scenes=600, tests=100, steps=160, batch=8, lr=1e-3, model=(64, 4, 2)
        ),
    ),
    prepare=three_sizes,
    run=run_patches,
)
REGULARISATION = Experiment(
    name="10-regularisation",
    question="Few scenes, many epochs: does drop path help, does dropout hurt?",
    variants=tuple(RATES),
    metrics=("miou", "accuracy", "train_accuracy"),
    settings=dict(
        smoke=dict(size=(48, 64), scenes=4, tests=2, steps=2, batch=2, lr=1e-3,
                   model=(32, 2, 2), patch=8),
        cpu=dict(size=(64, 96), scenes=64, tests=100, steps=160, batch=8, lr=1e-3,
                 model=(64, 4, 2), patch=8),
    ),
    prepare=toy_scenes,
    run=run_regularised,
)  # fmt: skip
EXPERIMENTS = (PATCH_SIZE, REGULARISATION)
