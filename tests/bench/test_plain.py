"""The plain version is the same function, written down in another way."""

from dataclasses import replace

import pytest
import torch

from segtutor.bench import PlainModel
from segtutor.bench.compare import Contest
from segtutor.config import ModelConfig
from segtutor.models import build
from segtutor.tokens import SelfAttention

SETR = ModelConfig(
    "setr", "naive", 7, (64, 4, 2), image=(64, 96), drop_path=0.0, hidden=16, head_hidden=8
)
CASES = {
    "linear": ModelConfig("segmenter", "linear", 7, (64, 4, 2), image=(64, 96), norm_eps=1e-5),
    "mask": ModelConfig("segmenter", "mask", 7, (64, 4, 2), image=(64, 96), decoder_heads=2),
    "naive": replace(SETR, aux_layers=(1, 2)),
    "pup": replace(SETR, decoder="pup", aux_layers=(1, 3)),
    "mla": replace(SETR, decoder="mla", aux_layers=(0, 1, 2, 3), extra_tokens=()),
}


def contest(name: str, size=(64, 96)) -> Contest:
    model = build(CASES[name])
    labels = torch.randint(0, 7, (2, *size))
    labels[:, :9] = 255
    wide = (64, 150)
    return Contest(
        model,
        images=torch.randn(2, 3, *size),
        labels=labels,
        photographs=[torch.randn(1, 3, *wide)],
        truths=[torch.randint(0, 7, wide)],
    )


@pytest.mark.parametrize("name", CASES)
def test_same_labels_loss_and_gradients(name):
    two = contest(name)
    assert two.agreement("predict")["same_labels"] > 0.9995  # ties to the last bit may fall apart
    assert two.agreement("evaluate")["same_labels"] > 0.9995
    apart = two.agreement("train")
    assert apart["loss_difference"] < 1e-5
    assert apart["gradient_difference"] < 1e-5


def test_a_real_difference_is_seen():
    two = contest("mask")
    with torch.no_grad():
        two.plain.decoder.enter.weight.mul_(1.01)
    assert two.agreement("train")["gradient_difference"] > 1e-3


def test_nothing_in_it_is_fused():
    plain = PlainModel(build(CASES["mask"]), (64, 96))
    assert not any(block.attn.fused_attn for block in plain.encoder.blocks)
    own = [m for m in plain.modules() if isinstance(m, SelfAttention)]
    assert len(own) == 2 and not any(m.fused for m in own)


def test_another_size_than_the_positions_are_stored_for():
    two = contest("linear", size=(96, 64))
    assert two.agreement("predict")["same_labels"] > 0.9995


def test_a_model_without_plain_version_is_refused():
    model = build(replace(CASES["linear"], extra_tokens=("cls", "dist")))
    with pytest.raises(ValueError, match="has no plain version"):
        PlainModel(model, (64, 96))
