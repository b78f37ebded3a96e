"""Chapter 08: what do auxiliary losses bring, and what does a ResNet before the transformer?

Factors: the auxiliary heads of SETR-Naive, on or off, once with an encoder that starts from random
weights and once with a pretrained one; then the patch embedding, a matrix or a ResNet. Encoder and
decoder train together. On and off start from the same numbers and see the same crops.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from segtutor.data import Cached, CamVid, augment, camvid
from segtutor.data.small import Shrunk
from segtutor.models import SegmentationModel, setr_hybrid, setr_naive
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.experiments.whole import fit, score, toy_scenes
from segtutor.training import Recipe
from segtutor.weights import find_weights, load_pretrained

WEIGHTS = "deit_tiny_patch16_224"
METRICS = ("miou_early", "miou", "accuracy")


def recipe(settings: SimpleNamespace, seed: int, **changes) -> Recipe:
    """AdamW, which needs fewer steps than the papers' SGD and does not mind how large a loss is:
    heads on or off, an update has the same size.
    """
    options = dict(
        steps=settings.steps,
        batch=settings.batch,
        lr=settings.lr,
        head_lr=settings.head_lr,
        optimiser="adamw",
        warmup=settings.steps // 8,
        weight_decay=0.01,
        precision="float32",
        seed=seed,
    )
    return Recipe(**{**options, **changes})


def with_or_without(settings: SimpleNamespace, classes: int, heads: bool, seed: int, **options):
    """SETR-Naive. Both variants are made with heads, so both draw the same random weights; then
    one of them loses its heads.
    """
    torch.manual_seed(seed)
    model = setr_naive(classes, settings.model, aux_layers=settings.aux, hidden=64, **options)
    if not heads:
        model.auxiliary = nn.ModuleList()
    return model


def measure(model: SegmentationModel, bench, settings, seed: int, transform=None) -> dict:
    """Train; mIoU after a third of the steps and at the end."""
    early = settings.steps // 3

    def look(net):
        return score(net, bench.test)["miou"]

    history = fit(
        model, bench.train, recipe(settings, seed), transform=transform, look=look, at=(early,)
    )
    end = score(model, bench.test)
    return {"miou_early": history[early - 1]["seen"]} | {k: end[k] for k in ("miou", "accuracy")}


def run_random(bench, settings, variant, seed):
    classes = len(bench.train.classes)
    options = dict(patch=settings.patch, image=settings.size, normalisation="half")
    model = with_or_without(settings, classes, variant == "on", seed, **options)
    return measure(model, bench, settings, seed)


def half_camvid(settings: SimpleNamespace, data_root: str | None = None) -> SimpleNamespace:
    """CamVid at half its sides. Where it or the weights are missing, ToyScenes and random ones."""
    there = camvid.available(data_root) and find_weights(WEIGHTS, data_root)
    if settings.toy or not there:
        bench = toy_scenes(settings, data_root)
        bench.start = None
        return bench
    train, test = (Cached(Shrunk(CamVid(split, data_root), 2)) for split in ("train", "test"))
    few = torch.utils.data.Subset(test, range(0, len(test), max(1, len(test) // settings.tests)))
    for attribute in ("name", "classes", "palette", "ignore"):
        setattr(few, attribute, getattr(test, attribute))
    data = "CamVid at half its sides, DeiT-Tiny (ImageNet weights)"
    return SimpleNamespace(train=train, test=few, data=data, start=data_root or "")


def run_pretrained(bench, settings, variant, seed):
    classes, image = len(bench.train.classes), tuple(settings.size)
    model = with_or_without(settings, classes, variant == "on", seed, image=image)
    if bench.start is not None:
        load_pretrained(model.encoder, WEIGHTS, data_root=bench.start or None, download=False)
    crops = augment(image, normalisation="imagenet", scale=(0.8, 1.25))
    return measure(model, bench, settings, seed, crops)


def run_hybrid(bench, settings, variant, seed):
    options = dict(image=tuple(settings.size), hidden=64, normalisation="half")
    classes, longer = len(bench.train.classes), {}
    torch.manual_seed(seed)
    if variant == "ResNet":
        model = setr_hybrid(classes, settings.model, backbone=settings.backbone, **options)
    else:
        model = setr_naive(classes, settings.model, patch=16, **options)
        if variant == "patches, as many seconds":
            longer = dict(steps=settings.longer * settings.steps, warmup=settings.steps // 8)
    fit(model, bench.train, recipe(settings, seed, **longer))
    result = score(model, bench.test)
    return {name: result[name] for name in HYBRID.metrics}


RANDOM = Experiment(
    name="08-auxiliary",
    question="From random weights: does SETR-Naive learn sooner, or better, with auxiliary losses?",
    variants=("off", "on"),
    metrics=METRICS,
    settings=dict(
        smoke=dict(size=(48, 64), scenes=8, tests=4, steps=3, batch=2, lr=1e-3, head_lr=1.0,
                   model=(32, 4, 2), patch=8, aux=(0, 1, 2)),
        cpu=dict(size=(64, 96), scenes=600, tests=100, steps=150, batch=8, lr=1e-3, head_lr=1.0,
                 model=(64, 12, 2), patch=8, aux=(2, 5, 8)),
    ),
    prepare=toy_scenes,
    run=run_random,
)  # fmt: skip
PRETRAINED = Experiment(
    name="08-auxiliary-pretrained",
    question="And with a pretrained encoder, as in the paper?",
    variants=("off", "on"),
    metrics=METRICS,
    settings=dict(
        smoke=dict(size=(48, 64), scenes=8, tests=4, steps=3, batch=2, lr=3e-4, head_lr=5.0,
                   model=(32, 4, 2), aux=(0, 1, 2), toy=True),
        cpu=dict(size=(128, 128), scenes=0, tests=58, steps=80, batch=4, lr=3e-4, head_lr=5.0,
                 model="tiny", aux=(2, 5, 8), toy=False),
    ),
    prepare=half_camvid,
    run=run_pretrained,
)  # fmt: skip
HYBRID = Experiment(
    name="08-hybrid",
    question="From random weights: is a ResNet a better patch embedding than a matrix?",
    variants=("patches", "patches, as many seconds", "ResNet"),
    metrics=("miou", "border_accuracy", "inside_accuracy"),
    settings=dict(
        smoke=dict(size=(48, 64), scenes=8, tests=4, steps=2, batch=2, lr=1e-3, head_lr=1.0,
                   model=(32, 2, 2), backbone="resnet10t", longer=2),
        cpu=dict(size=(64, 96), scenes=600, tests=100, steps=50, batch=8, lr=1e-3, head_lr=1.0,
                 model=(64, 4, 2), backbone="resnet10t", longer=6),
    ),
    prepare=toy_scenes,
    run=run_hybrid,
)  # fmt: skip
EXPERIMENTS = (RANDOM, PRETRAINED, HYBRID)
