"""A few optimiser steps of the official training code, repeated by ours: the same weights after."""

import pytest
import torch

from segtutor.training import Recipe
from segtutor.training.loop import make_optimiser, set_rates
from segtutor.training.losses import loss_from_coarse
from segtutor.weights import from_official, to_official
from tests.weights.official_cases import checkpoint_of, variant_of


def steps(golden, name):
    arrays, config = golden(name), golden.config(name)["config"]
    model = from_official(checkpoint_of(arrays), variant_of(config)).train()
    pairs = zip(*(torch.from_numpy(arrays[k]) for k in ("in/images", "in/labels")), strict=True)
    after = {
        k.split("sd_after/")[1]: torch.from_numpy(v) for k, v in arrays.items() if "after" in k
    }
    return model, list(pairs), arrays, config, after


def assert_same(model, after):
    """Weights after the last step, but for those that no gradient reaches."""
    living = {k: v for k, v in to_official(model).items() if k not in model.dead_shapes}
    assert living.keys() <= after.keys() <= living.keys() | model.dead_shapes.keys()
    for name, got in living.items():
        wanted = after[name]
        if name == "backbone.pos_embed" and model.config.decoder == "mla":
            got, wanted = got[:, 1:], wanted[:, 1:]
        assert float((got - wanted).abs().max()) <= 1e-5, name


@pytest.mark.goldens
@pytest.mark.parametrize("name", ["setr_train_steps_naive", "setr_train_steps_mla"])
def test_setr_with_auxiliary_losses_and_two_learning_rates(golden, name):
    model, batches, arrays, config, after = steps(golden, name)
    recipe = Recipe(
        steps=config["max_iters"],
        lr=config["lr"],
        floor=config["min_lr"],
        nesterov=False,
        head_lr=config["head_lr_mult"],
    )
    optimiser = make_optimiser(model, recipe)
    for i, (images, labels) in enumerate(batches):
        labels = labels.reshape(len(images), *labels.shape[-2:])  # SETR: (B, 1, H, W)
        set_rates(optimiser, recipe, i)
        rates = [group["lr"] for group in optimiser.param_groups]
        assert rates == pytest.approx(arrays["out/lrs_backbone_head"][i].tolist(), rel=1e-6)
        loss = loss_from_coarse(model.coarse(images), labels, mean="all", aux_weight=0.4)
        assert float(loss.detach()) == pytest.approx(float(arrays["out/losses"][i]), abs=1e-5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert_same(model, after)


@pytest.mark.goldens
def test_segmenter_with_nesterov_and_its_schedule(golden):
    model, batches, arrays, config, after = steps(golden, "segmenter_train_steps_linear")
    recipe = Recipe(steps=config["iter_max"], lr=config["lr"], floor=config["min_lr"])
    optimiser = make_optimiser(model, recipe)
    for i, (images, labels) in enumerate(batches):
        labels = labels.reshape(len(images), *labels.shape[-2:])  # SETR: (B, 1, H, W)
        assert set_rates(optimiser, recipe, i) == pytest.approx(float(arrays["out/lrs"][i]), 1e-6)
        loss = loss_from_coarse(model.coarse(images), labels)
        assert float(loss.detach()) == pytest.approx(float(arrays["out/losses"][i]), abs=1e-5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert_same(model, after)
