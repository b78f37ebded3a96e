"""The account of kept activations against what autograd really keeps."""

from dataclasses import replace

import pytest
import torch

from segtutor.models import build
from segtutor.tokens import Mlp
from segtutor.training.losses import loss_from_coarse
from segtutor.training.memory import step_memory
from segtutor.training.published import find_run

SIZE = (128, 192)
MODELS = {
    "linear": find_run("ade20k-segmenter-linear-tiny-16").model,
    "mask": find_run("ade20k-segmenter-mask-tiny-16").model,
    **{d: find_run(f"camvid-setr-{d}-tiny-16").model for d in ("naive", "pup", "mla")},
}


def kept_by_autograd(config, precision="float32", frozen=0, fused=True) -> int:
    """Bytes of distinct storages saved for the backward pass, weights left out."""
    model = build(config).train()
    model.encoder.freeze(frozen)
    for block in model.encoder.blocks:
        block.attn.fused = fused
    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    seen, alive = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            seen[storage._cdata] = storage.nbytes()
            alive.append(tensor)  # or its address would be used again
        return tensor

    def checkpointed(module, inputs, hidden):
        if hidden.requires_grad:
            pack(hidden)  # what enters the checkpoint is kept, though unseen by the hooks below

    for module in model.modules():
        if isinstance(module, Mlp):
            module.fc1.register_forward_hook(checkpointed)
    images, labels = torch.randn(2, 3, *SIZE), torch.randint(0, config.classes, (2, *SIZE))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            coarse = model.coarse(images)
        loss_from_coarse(coarse, labels)
    return sum(seen.values())


def accounted(config, **options) -> int:
    m = step_memory(config, batch=2, device="cpu", **options)
    return m.activations - 2 * SIZE[0] * SIZE[1] * (3 * 4 + 8)  # the batch itself autograd not sees


@pytest.mark.parametrize("decoder", MODELS)
def test_account_equals_autograd(decoder):
    config = replace(MODELS[decoder], image=SIZE, classes=150)
    assert accounted(config) == pytest.approx(kept_by_autograd(config), rel=0.01)


@pytest.mark.parametrize("decoder", ["linear", "mask", "mla"])
def test_account_in_half_precision(decoder):
    config = replace(MODELS[decoder], image=SIZE, classes=150)
    got = kept_by_autograd(config, "bfloat16")
    assert accounted(config, precision="bfloat16") == pytest.approx(got, rel=0.04)


def test_account_of_frozen_blocks_dropout_and_attention_step_by_step():
    config = replace(MODELS["linear"], image=SIZE)
    whole = kept_by_autograd(config)
    half = kept_by_autograd(config, frozen=6)
    assert half < 0.6 * whole
    assert accounted(config, frozen=6) + 2 * SIZE[0] * SIZE[1] * 12 == pytest.approx(half, rel=0.1)
    plain = kept_by_autograd(config, fused=False)
    assert plain > 1.05 * whole
    assert accounted(config, fused=False) == pytest.approx(plain, rel=0.05)
    dropped = replace(config, dropout=0.1)
    assert accounted(dropped) == pytest.approx(kept_by_autograd(dropped), rel=0.05)


def test_states_and_the_two_ways_to_a_peak():
    config = replace(MODELS["linear"], image=SIZE)
    trained = sum(p.numel() for p in build(config).parameters())
    sgd = step_memory(config, batch=2)
    adamw = step_memory(config, batch=2, optimiser="adamw")
    assert sgd.gradients == sgd.optimiser == 4 * trained and adamw.optimiser == 8 * trained
    assert sgd.weights == 4 * trained  # no buffers in this model
    carried = sgd.optimiser + sgd.gradients + sgd.activations + sgd.passing
    assert sgd.above_model == carried
    free = step_memory(config, batch=2, carried=False)
    assert free.above_model == carried - free.gradients
    assert sgd.peak == sgd.weights + sgd.above_model


def test_checkpointing_keeps_one_stream_a_block_and_pays_one_block():
    config = replace(MODELS["linear"], image=SIZE)
    m = step_memory(config, batch=2, checkpoint=True)
    assert m.kept["blocks"] == 12 * 2 * 97 * 192 * 4
    full = step_memory(config, batch=2)
    assert m.passing > full.kept["blocks"] // 12 > m.kept["blocks"] // 12
