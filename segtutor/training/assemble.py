"""From a run's description to the things that `train` takes: model, data, augmentation.

Taught in   : chapter 13, Training recipes
Official    : both papers start from ImageNet weights and augment as TrainingPipeline does. SETR
              drops the distillation token of DeiT; SETR-MLA has no class token either.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segtutor.baselines import baseline
from segtutor.data.check import reader
from segtutor.data.dataset import Sample, SegmentationData, count_classes
from segtutor.data.pipeline import TrainingPipeline
from segtutor.data.transforms import augment
from segtutor.models import SegmentationModel, build
from segtutor.tokens import HybridEncoder
from segtutor.training.losses import balanced_weights
from segtutor.training.recipes import Recipe
from segtutor.training.runs import Run
from segtutor.weights.backbones import BACKBONES
from segtutor.weights.files import load_strictly, read_safetensors, read_tensors
from segtutor.weights.pretrained import (
    load_encoder,
    load_pretrained,
    pretrained_encoder,
    spec_of,
)

# the benchmarks publish no labels for theirs; both papers use "val"
TEST_SPLIT = {"camvid": "test", "camvid_small": "test", "toyscenes": "test"}


class Parts(NamedTuple):
    """What `training.train` and an evaluation need. recipe: the run's, with class weights where it
    is balanced. weights: where the encoder's come from.
    """

    model: SegmentationModel
    recipe: Recipe
    train_data: SegmentationData
    transform: nn.Module
    test_data: SegmentationData
    weights: str


class Joined:
    """Several splits as one data set, or the first `count` samples of them (0: all)."""

    def __init__(self, parts: list[SegmentationData], count: int = 0):
        self.places = [(part, i) for part in parts for i in range(len(part))]
        if count > len(self.places):
            raise ValueError(f"subset is {count}, but there are only {len(self.places)} samples")
        self.places = self.places[: count or None]
        self.name = " + ".join(part.name for part in parts)
        for attribute in ("classes", "palette", "ignore"):
            setattr(self, attribute, getattr(parts[0], attribute))
        if all(hasattr(part, "names") for part in parts):
            self.names = [part.names[i] for part, i in self.places]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:
        part, i = self.places[index]
        return part[i]


class OwnSize(TrainingPipeline):
    """The official pipeline for photographs that are scaled from whatever size they have."""

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        self.base = tuple(sorted(label.shape, reverse=True))  # long, short
        return super().forward(image, label)


def assemble(
    run: Run, data_root: str | Path | None = None, *, weights: str | Path | None = None
) -> Parts:
    """Everything for a run. data_root: folder with data sets and weights. weights: a file to start
    from instead: one of ours (all of the model), or of the run's backbone as timm saves it.

    Random weights depend on the recipe's seed. Raises FileNotFoundError for data or weights that
    are not there, ValueError when model and data disagree about the classes.
    """
    train_data = open_training(run, data_root)
    test_data = reader(run.data)(TEST_SPLIT.get(run.data, "val"), data_root)
    if run.model.classes != len(train_data.classes):
        raise ValueError(
            f"{run.name}: the model has {run.model.classes} classes, {train_data.name} has "
            f"{len(train_data.classes)}: --override model.classes={len(train_data.classes)}"
        )
    torch.manual_seed(run.recipe.seed)
    if run.baseline:
        model, source = rival(run, weights)
    else:
        model = build(run.model)
        source = start_weights(model, run, data_root, weights)
        model.encoder.freeze(run.frozen)
    recipe = balanced(run, train_data)
    return Parts(model, recipe, train_data, training_transform(run), test_data, source)


def rival(run: Run, file: str | Path | None) -> tuple[SegmentationModel, str]:
    """The baseline of a run, and what it starts from: the library's ImageNet weights (downloaded,
    FileNotFoundError where that cannot be) or random numbers; or all of the model from a file.
    """
    if run.frozen:
        raise ValueError(f"{run.name}: frozen is {run.frozen}, but a baseline has no blocks")
    pretrained = bool(run.backbone) and not file
    model = baseline(run.baseline, run.model.classes, pretrained=pretrained)
    if file:
        load_strictly(model, read_safetensors(file)[0], source=str(file))
        return model, f"{file} (the whole model)"
    if pretrained:
        return model, "ImageNet weights of the library"
    return model, f"random numbers (seed {run.recipe.seed})"


def balanced(run: Run, train_data: SegmentationData) -> Recipe:
    """The run's recipe, with a weight for each class if `run.balance` asks for it: all training
    labels are read and counted.
    """
    if not run.balance:
        return run.recipe
    weights = balanced_weights(count_classes(train_data), run.balance)
    return replace(run.recipe, class_weights=tuple(round(w, 4) for w in weights))


def open_training(run: Run, data_root: str | Path | None = None) -> Joined:
    """The run's training splits, in one data set."""
    return Joined([reader(run.data)(split, data_root) for split in run.splits], run.subset)


def training_transform(run: Run) -> nn.Module:
    """The run's augmentation: images and labels of its crop's size come out."""
    crop, normalisation = run.model.image, run.model.normalisation
    if run.pipeline == "light":
        return augment(crop, normalisation=normalisation, scale=(0.7, 1.8), jitter=0.3)
    kind = TrainingPipeline if any(run.base) else OwnSize
    return kind(base=run.base, crop=crop, normalisation=normalisation)


def start_weights(
    model: SegmentationModel, run: Run, data_root: str | Path | None, file: str | Path | None
) -> str:
    """Fill the model with what the run starts from; says what that was."""
    name = BACKBONES[run.backbone].timm if run.backbone in BACKBONES else run.backbone
    if run.backbone in BACKBONES and not name and not file:
        raise ValueError(f"{run.name}: {run.backbone} is lost ({BACKBONES[run.backbone].note})")
    if file and Path(file).suffix == ".safetensors" and "segtutor" in read_safetensors(file)[1]:
        load_strictly(model, read_safetensors(file)[0], source=str(file))
        return f"{file} (the whole model)"
    if isinstance(model.encoder, HybridEncoder) and name:
        return _fill_hybrid(model.encoder, name, data_root)
    if file:
        spec = spec_of(name) if name else None
        return str(
            load_encoder(
                model.encoder,
                read_tensors(file),
                image=spec.image if spec else run.model.image,
                extra_tokens=spec.extra_tokens if spec else run.model.extra_tokens,
                source=str(file),
            )
        )
    if not name:
        return f"random numbers (seed {run.recipe.seed})"
    return str(load_pretrained(model.encoder, name, data_root=data_root))


def _fill_hybrid(encoder: HybridEncoder, name: str, data_root: str | Path | None) -> str:
    """A ResNet for the pixels, and SETR's ViT-Base for the blocks."""
    import timm

    from segtutor.weights import find_weights

    path = find_weights(name.split(".")[0], data_root)
    tensors = (
        read_tensors(path)
        if path
        else timm.create_model(name, pretrained=True, features_only=True).state_dict()
    )
    resnet = encoder.patch_embed.backbone
    load_strictly(resnet, {k: tensors[k] for k in resnet.state_dict()}, source=name)
    plain, report = pretrained_encoder(
        BACKBONES["setr-vit-base"].timm,
        data_root=data_root,
        extra_tokens=encoder.extra_tokens,
        final_norm=encoder.norm is not None,
    )
    encoder.take_transformer(plain)
    return f"{name} before the blocks; {report}"
