"""Activation checkpointing: the same numbers, each block computed twice."""

import pytest
import torch

from segtutor.tokens import Encoder
from segtutor.training import Recipe, train
from segtutor.training.loop import economise
from tests.training.tiny import Halves, small, weights


def encoder():
    torch.manual_seed(0)
    return Encoder(width=24, depth=3, heads=2, patch=8, image=(32, 48), dropout=0.2, drop_path=0.3)


def gradients(net, images, layers):
    torch.manual_seed(7)  # of dropout
    seen = net(images, layers=layers)
    (seen.tokens.square().sum() + sum(kept.sum() for kept in seen.layers.values())).backward()
    return [p.grad.clone() for p in net.parameters()]


@pytest.mark.parametrize("layers", [(), (0, 2)])
def test_gradients_are_the_same_with_dropout(layers):
    images = torch.randn(2, 3, 32, 48)
    plain, saving = encoder(), encoder()
    saving.checkpointing = True
    calls = []
    saving.blocks[1].mlp.register_forward_hook(lambda *a: calls.append(1))
    wanted, got = gradients(plain, images, layers), gradients(saving, images, layers)
    assert all(torch.equal(a, b) for a, b in zip(wanted, got, strict=True))
    assert len(calls) == 2  # once on the way there, once on the way back


def test_without_gradients_nothing_is_computed_twice():
    net = encoder().eval()
    net.checkpointing = True
    calls = []
    net.blocks[0].mlp.register_forward_hook(lambda *a: calls.append(1))
    with torch.no_grad():
        net(torch.randn(1, 3, 32, 48))
    assert len(calls) == 1


def test_a_recipe_turns_it_on_and_off():
    plain, saving = small(), small()
    for model, on in ((plain, False), (saving, True)):
        recipe = Recipe(steps=3, batch=2, precision="float32", checkpoint_activations=on)
        train(model, Halves(), recipe, verbose=False)
        assert model.encoder.checkpointing == on
    assert torch.equal(weights(plain), weights(saving))


def test_an_encoder_without_blocks_says_so():
    model = small()
    model.encoder = torch.nn.Conv2d(3, 3, 1)
    with pytest.raises(ValueError, match="needs an encoder of transformer blocks"):
        economise(model, Recipe(steps=1, checkpoint_activations=True))


def test_compiling_happens_in_place(monkeypatch):
    """Block by block, so that equal blocks are compiled once; names of tensors stay."""
    seen = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: seen.append(type(self).__name__))
    model = small()
    before = list(model.state_dict())
    economise(model, Recipe(steps=1, compile=True))
    assert seen == ["Block", "Block", "LinearDecoder"] and list(model.state_dict()) == before
