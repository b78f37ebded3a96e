"""Frozen tokens of one encoder, for experiments that compare decoders (chapters 06, 07, 09).

With CamVid and the weights of DeiT-Tiny: crops of `train`, whole photographs of `test`. Without
them: ToyScenes, and a small encoder that is first trained on them with a linear decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from segtutor.config import ModelConfig
from segtutor.data import CamVid, Sample, SegmentationData, augment, batches, camvid, normalise
from segtutor.data.toyscenes import ToyScenes
from segtutor.evaluation import ByBorder
from segtutor.models import SegmentationModel, build_decoder, segmenter_linear
from segtutor.tokens import Encoder
from segtutor.training import Recipe, train
from segtutor.training.frozen import FrozenTokens, predictions, train_on_tokens
from segtutor.weights import find_weights, pretrained_encoder

WEIGHTS = "deit_tiny_patch16_224"


@dataclass
class Bench:
    """encoder: frozen. train, test: its tokens with labels. classes, palette: of the data. data: a
    sentence that names data and encoder.
    """

    encoder: Encoder
    train: FrozenTokens
    test: FrozenTokens
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    data: str


def frozen_bench(
    settings: SimpleNamespace,
    data_root: str | None = None,
    layers: tuple[int, ...] | Callable[[int], tuple[int, ...]] = (),
) -> Bench:
    """settings: crops and tests (how many images), pretrain (steps of the small encoder where
    ToyScenes stand in), toy (True: ToyScenes in any case). layers: blocks whose outputs are kept
    too, negative ones count from the last; or a function that names them, given the depth.
    """
    place = bench_place(settings, data_root)
    wanted = layers(place.encoder.depth) if callable(layers) else layers
    keep = [i % place.encoder.depth for i in wanted]
    return Bench(
        encoder=place.encoder,
        train=FrozenTokens(place.encoder, crops(place, settings), layers=keep),
        test=FrozenTokens(place.encoder, photographs(place), layers=keep),
        classes=place.train.classes,
        palette=place.train.palette,
        data=place.data,
    )


@dataclass
class Place:
    """Where a bench's tokens come from. encoder: frozen. train: data. tests: a list of samples.
    crop: (H, W) of the crops. scale: of the crops. normalisation: its name. data: names it all.
    """

    encoder: Encoder
    train: SegmentationData
    tests: list[Sample]
    crop: tuple[int, int]
    scale: tuple[float, float]
    normalisation: str
    data: str


def bench_place(
    settings: SimpleNamespace,
    data_root: str | None = None,
    *,
    toy_test: tuple[int, int] = (96, 96),
    toy_scale: tuple[float, float] = (1.0, 1.0),
) -> Place:
    """Data and encoder of `frozen_bench`. toy_test: size of the test scenes, toy_scale: of the
    crops' scales, where ToyScenes stand in.
    """
    real = camvid.available(data_root) and find_weights(WEIGHTS, data_root) and not settings.toy
    if real:
        encoder, train_data, test_data, crop, data = _camvid(settings, data_root)
    else:
        encoder, train_data, test_data, crop, data = _toyscenes(settings, toy_test)
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    every = max(1, len(test_data) // settings.tests)
    return Place(
        encoder=encoder,
        train=train_data,
        tests=[test_data[i] for i in range(0, every * settings.tests, every)],
        crop=crop,
        scale=(0.7, 1.4) if real else toy_scale,
        normalisation="imagenet" if real else "half",
        data=data,
    )


def crops(place: Place, settings: SimpleNamespace) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of crops of the training data, normalised, with their labels."""
    scaled = augment(place.crop, normalisation=place.normalisation, scale=place.scale)
    common = dict(normalisation=place.normalisation, seed=0)
    steps = -(-settings.crops // 8)
    return batches(place.train, batch=8, steps=steps, transform=scaled, **common)


def photographs(place: Place) -> Iterator[tuple[Tensor, Tensor]]:
    """The test photographs, whole, one at a time, normalised, with their labels."""
    for s in place.tests:
        yield normalise(s.image[None], place.normalisation), s.label[None].long()


def _camvid(settings, data_root):
    crop = (192, 192)
    encoder, _ = pretrained_encoder(WEIGHTS, image=crop, data_root=data_root, download=False)
    train_data, test_data = (CamVid(split, data_root) for split in ("train", "test"))
    return encoder, train_data, test_data, crop, "CamVid, frozen DeiT-Tiny (ImageNet weights)"


def _toyscenes(settings, test_size):
    crop = (96, 96)
    train_data = ToyScenes("train", size=crop, length=max(settings.crops, 64))
    test_data = ToyScenes("test", size=test_size, length=settings.tests)
    torch.manual_seed(0)
    model = segmenter_linear(
        len(train_data.classes), (96, 4, 3), patch=8, image=crop, norm_eps=1e-6, drop_path=0.0
    )
    recipe = Recipe(steps=settings.pretrain, batch=16, lr=1e-3, optimiser="adamw", warmup=20)
    train(model, train_data, recipe, verbose=False)
    data = f"ToyScenes, frozen small encoder (trained on them for {settings.pretrain} steps)"
    return model.encoder, train_data, test_data, crop, data


def decoder_model(bench: Bench, config: ModelConfig, seed: int) -> SegmentationModel:
    """A new decoder (auxiliary heads, neck) of this configuration on the bench's encoder."""
    torch.manual_seed(seed)
    parts = build_decoder(config, bench.encoder.width, bench.encoder.depth)
    model = SegmentationModel(bench.encoder, *parts)
    model.config = config
    return model


def fit_and_score(
    bench: Bench, model: SegmentationModel, settings: SimpleNamespace, seed: int, *, reach: int = 4
) -> ByBorder:
    """Train everything behind the encoder by settings.steps, .batch and .lr (AdamW, poly); score on
    the test images.
    """
    train_on_tokens(model, bench.train, recipe_of(settings, seed))
    score = ByBorder(len(bench.classes), reach=reach)
    for predicted, label in predictions(model, bench.test):
        score.update(predicted, label)
    return score


def recipe_of(settings: SimpleNamespace, seed: int) -> Recipe:
    """How everything behind the frozen encoder is trained."""
    return Recipe(
        steps=settings.steps,
        batch=settings.batch,
        lr=settings.lr,
        optimiser="adamw",
        warmup=min(20, settings.steps // 4),
        seed=seed,
    )
