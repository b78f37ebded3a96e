"""Chapter 11: few scenes, many epochs: which augmentation helps, and which must not be made?

Factor: what happens to a scene before the network sees it. Everything else is one small Segmenter,
trained as a whole from random weights on the same few ToyScenes, in the same order. "upside down"
is the control: a change as large as mirroring, but one that the test scenes never went through.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from segtutor.data import TrainingPipeline
from segtutor.models import SegmentationModel, segmenter_linear
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.experiments.whole import fit, seen_and_unseen, toy_scenes
from segtutor.training import Recipe

OFF = dict(scale=(1.0, 1.0), flip=0.0, largest_share=1.0, colours=False)
SCALE = dict(scale=(0.5, 2.0), largest_share=0.75)
STEPS = {  # variant -> what it switches on
    "none": {},
    "flip": dict(flip=0.5),
    "scale and crop": SCALE,
    "colours": dict(colours=True),
    "all three": dict(flip=0.5, colours=True, **SCALE),
    "upside down": {},
}


class UpsideDown(nn.Module):
    """Mirrors photograph and labels top to bottom, every second time: never sensible for scenes."""

    def __init__(self, before: nn.Module):
        super().__init__()
        self.before = before

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        image, label = self.before(image, label)
        if torch.rand(()) < 0.5:
            image, label = image.flip(-2), label.flip(-2)
        return image, label


def transform_of(variant: str, size: tuple[int, int]) -> nn.Module:
    """The joint transform of a variant, for scenes of `size` (H, W); crops are as large."""
    height, width = size
    options = {**OFF, **STEPS[variant]}
    base = (max(height, width), min(height, width))
    pipeline = TrainingPipeline(base=base, crop=tuple(size), normalisation="half", **options)
    return UpsideDown(pipeline) if variant == "upside down" else pipeline


def trained(
    bench: SimpleNamespace, settings: SimpleNamespace, variant: str, seed: int
) -> tuple[SegmentationModel, list[dict]]:
    """The model after its steps, and `whole.fit`'s history."""
    torch.manual_seed(seed)
    model = segmenter_linear(
        len(bench.train.classes),
        settings.model,
        patch=settings.patch,
        image=tuple(settings.size),
        norm_eps=1e-6,
        drop_path=0.0,
        normalisation="half",
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
    transform = transform_of(variant, tuple(settings.size))
    return model, fit(model, bench.train, recipe, transform=transform)


def run(bench, settings, variant, seed):
    model, _ = trained(bench, settings, variant, seed)
    return seen_and_unseen(model, bench)


AUGMENTATION = Experiment(
    name="11-augmentation",
    question="Twenty-four scenes, many epochs: which changes of them help on new scenes?",
    variants=tuple(STEPS),
    metrics=("miou", "accuracy", "train_accuracy"),
    settings=dict(
        smoke=dict(size=(48, 64), scenes=4, tests=2, steps=2, batch=2, lr=1e-3,
                   model=(32, 2, 2), patch=8),
        cpu=dict(size=(64, 96), scenes=24, tests=100, steps=200, batch=8, lr=1e-3,
                 model=(64, 4, 2), patch=8),
    ),
    prepare=toy_scenes,
    run=run,
)  # fmt: skip
EXPERIMENTS = (AUGMENTATION,)
