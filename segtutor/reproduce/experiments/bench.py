"""Frozen tokens of one encoder, for experiments that compare decoders (chapters 06, 07, 09).

With CamVid and the weights of DeiT-Tiny: crops of `train`, whole photographs of `test`. Without
them: ToyScenes, and a small encoder that is first trained on them with a linear decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch

from segtutor.config import ModelConfig
from segtutor.data import CamVid, augment, batches, camvid, normalise
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
    real = camvid.available(data_root) and find_weights(WEIGHTS, data_root) and not settings.toy
    make = _camvid if real else _toyscenes
    encoder, train_data, test_data, crop, data = make(settings, data_root)
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    wanted = layers(encoder.depth) if callable(layers) else layers
    keep = [i % encoder.depth for i in wanted]
    normalisation = "imagenet" if real else "half"
    if real:
        scaled = augment(crop, normalisation=normalisation, scale=(0.7, 1.4))
    else:
        scaled = augment(crop, normalisation=normalisation, scale=(1.0, 1.0))
    common = dict(normalisation=normalisation, seed=0)
    crops = batches(train_data, batch=8, steps=-(-settings.crops // 8), transform=scaled, **common)
    every = max(1, len(test_data) // settings.tests)
    spread = torch.utils.data.Subset(test_data, range(0, every * settings.tests, every))
    whole = ((normalise(s.image[None], normalisation), s.label[None].long()) for s in spread)
    return Bench(
        encoder=encoder,
        train=FrozenTokens(encoder, crops, layers=keep),
        test=FrozenTokens(encoder, whole, layers=keep),
        classes=train_data.classes,
        palette=train_data.palette,
        data=data,
    )


def _camvid(settings, data_root):
    crop = (192, 192)
    encoder, _ = pretrained_encoder(WEIGHTS, image=crop, data_root=data_root, download=False)
    train_data, test_data = (CamVid(split, data_root) for split in ("train", "test"))
    return encoder, train_data, test_data, crop, "CamVid, frozen DeiT-Tiny (ImageNet weights)"


def _toyscenes(settings, data_root):
    crop = (96, 96)
    train_data = ToyScenes("train", size=crop, length=max(settings.crops, 64))
    test_data = ToyScenes("test", size=crop, length=settings.tests)
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
    recipe = Recipe(
        steps=settings.steps,
        batch=settings.batch,
        lr=settings.lr,
        optimiser="adamw",
        warmup=min(20, settings.steps // 4),
        seed=seed,
    )
    train_on_tokens(model, bench.train, recipe)
    score = ByBorder(len(bench.classes), reach=reach)
    for predicted, label in predictions(model, bench.test):
        score.update(predicted, label)
    return score
