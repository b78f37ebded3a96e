"""Experiments that train encoder and decoder together: scenes in memory, one loop, one score.

Chapter 08 looks at the main loss alone, which `training.train` does not keep apart from the
auxiliary ones; `fit` below does, and is otherwise the same loop.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from segtutor.data import Cached, SegmentationData, batches, normalise
from segtutor.data.loading import number
from segtutor.data.toyscenes import ToyScenes
from segtutor.evaluation import ByBorder
from segtutor.models import SegmentationModel
from segtutor.training import Recipe
from segtutor.training.loop import make_optimiser, set_rates
from segtutor.training.losses import loss_from_coarse
from segtutor.upsampling import predict_from_coarse


def toy_scenes(settings: SimpleNamespace, data_root: str | None = None) -> SimpleNamespace:
    """ToyScenes of settings.size, painted once: train and test, with `settings.scenes` and
    `settings.tests` scenes, and the sentence that names them.
    """
    size = tuple(settings.size)
    return SimpleNamespace(
        train=Cached(ToyScenes("train", size=size, length=settings.scenes)),
        test=Cached(ToyScenes("test", size=size, length=settings.tests)),
        data=f"ToyScenes of {size[0]}x{size[1]}, encoder from random weights",
    )


def fit(
    model: SegmentationModel,
    data: SegmentationData,
    recipe: Recipe,
    *,
    transform: nn.Module | None = None,
    look: Callable[[SegmentationModel], Any] | None = None,
    at: tuple[int, ...] = (),
) -> list[dict]:
    """Train in place. Returns a dict per step: main (loss of the decoder), total (with the
    auxiliary losses), and `seen`, what `look(model)` said, where that many steps are done (`at`).
    """
    optimiser = make_optimiser(model, recipe)
    stream = batches(
        data,
        batch=recipe.batch,
        steps=recipe.steps,
        transform=transform,
        normalisation=model.config.normalisation,
        seed=recipe.seed,
    )
    history = []
    for step, (images, labels) in enumerate(stream):
        model.train()
        torch.manual_seed(number(recipe.seed, step))  # dropout and drop path of this step
        set_rates(optimiser, recipe, step)
        coarse = model.coarse(images)  # scores (B, K, h, w), aux likewise
        main, *others = [
            loss_from_coarse(coarse._replace(scores=scores, aux=()), labels, mean=recipe.loss_mean)
            for scores in (coarse.scores, *coarse.aux)
        ]
        total = main + recipe.aux_weight * sum(others)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        history.append({"step": step, "main": main.item(), "total": total.item()})
        if look and step + 1 in at:
            history[-1]["seen"] = look(model.eval())
    model.eval()
    return history


@torch.no_grad()
def score(
    model: SegmentationModel,
    data: SegmentationData,
    *,
    labels: SegmentationData | None = None,
    reach: int = 4,
    batch: int = 8,
) -> dict[str, float]:
    """What `ByBorder` says of the model on pictures of one size. labels: the same scenes at
    another size, whose label maps are to be met instead.
    """
    model.eval()
    result = ByBorder(len(data.classes), data.ignore, reach)
    for start in range(0, len(data), batch):
        rows = range(start, min(start + batch, len(data)))
        images = torch.stack([data[i].image for i in rows])  # (B, 3, H, W)
        truth = [(labels or data)[i].label for i in rows]  # (H', W') each
        coarse = model.coarse(normalise(images, model.config.normalisation), aux=False)
        if labels is not None:
            coarse = coarse._replace(padded_size=tuple(truth[0].shape))
        predictions = predict_from_coarse(coarse, tuple(truth[0].shape))  # (B, H', W')
        for predicted, label in zip(predictions, truth, strict=True):
            result.update(predicted, label)
    return result.result()


def seen_and_unseen(model: SegmentationModel, bench: SimpleNamespace) -> dict:
    """Scores on the test scenes, and the accuracy on those the model was trained on."""
    seen, unseen = score(model, bench.train), score(model, bench.test)
    return {
        "miou": unseen["miou"],
        "accuracy": unseen["accuracy"],
        "train_accuracy": seen["accuracy"],
    }
