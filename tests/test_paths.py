"""One model, two attention paths, two precisions: the numbers stay the same."""

import pytest
import torch

from segtutor.insight import capture
from segtutor.models import ModelConfig, build
from segtutor.tokens import SelfAttention

KINDS = {
    ("segmenter", "linear"): dict(norm_eps=1e-5),
    ("segmenter", "mask"): dict(norm_eps=1e-5, decoder_heads=3, extra_tokens=("cls", "dist")),
    ("setr", "naive"): dict(aux_layers=(1, 2)),
    ("setr", "pup"): dict(aux_layers=(1, 3)),
    ("setr", "mla"): dict(aux_layers=(0, 1, 2, 3), extra_tokens=()),
}


@pytest.fixture(params=KINDS, ids="-".join)
def model(request):
    options = dict(size=(24, 4, 3), image=(64, 96), hidden=16, head_hidden=8, dropout=0.0)
    options |= dict(drop_path=0.0, decoder_dropout=0.0, **KINDS[request.param])
    return build(ModelConfig(*request.param, classes=7, **options)).eval()


@pytest.fixture
def sharp(model):
    """Attention far from uniform: fresh weights of 0.02 would hide a wrong scale."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, SelfAttention):
                module.qkv.weight.mul_(20)
    return model


def close(a: torch.Tensor, b: torch.Tensor, factor: float = 1e-5) -> bool:
    return float((a - b).detach().abs().max()) <= factor * max(1.0, float(b.detach().abs().max()))


def run(model, images, fused: bool):
    """(every block's output, every score map, every gradient) through one path."""
    seen, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, SelfAttention):
            module.fused = fused
        if name.split(".")[-2:-1] == ["blocks"]:
            hooks.append(module.register_forward_hook(
                lambda m, a, out, name=name: seen.__setitem__(name, out)))  # fmt: skip
    model.zero_grad()
    coarse = model.coarse(images, aux=True)
    maps = [coarse.scores, *coarse.aux]
    weights = torch.Generator().manual_seed(3)
    sum((m * torch.randn(m.shape, generator=weights)).mean() for m in maps).backward()
    for hook in hooks:
        hook.remove()
    return seen, maps, {n: p.grad.clone() for n, p in model.named_parameters()}


def test_fused_and_explicit_attention_agree_everywhere(sharp):
    model = sharp
    images = torch.randn(2, 3, 64, 96)
    blocks, maps, gradients = run(model, images, fused=True)
    slow_blocks, slow_maps, slow_gradients = run(model, images, fused=False)
    mask = model.config.decoder == "mask"
    assert len(blocks) == 4 + (2 if mask else 0)
    for name in blocks:
        assert close(blocks[name], slow_blocks[name]), name
    for a, b in zip(maps, slow_maps, strict=True):
        assert close(a, b, 3e-5 if mask else 1e-5)
    for name in gradients:
        assert close(gradients[name], slow_gradients[name], 3e-5 if mask else 1e-5), name


def test_attention_of_these_models_is_far_from_uniform(sharp):
    """Without this, agreement of the two paths would mean little."""
    with torch.no_grad(), capture(sharp, "*.attn") as seen:
        sharp(torch.randn(2, 3, 64, 96))
    uniform = [1 / weights.shape[-1] for weights in seen.values()]
    largest = [float(weights.max()) for weights in seen.values()]
    assert all(top > 3 * mean for top, mean in zip(largest, uniform, strict=True))


def test_bfloat16_autocast_stays_close(model):
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        wanted = model(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = model(images)
    assert got.dtype == torch.float32  # the jump to pixels is made in full precision
    error = float((got - wanted).norm() / wanted.norm())
    assert 0 < error <= 4e-2


def test_capture_reaches_every_part_without_a_second_forward(model):
    patterns = ["*.attn", "decoder", "auxiliary.*"]
    config = model.config
    extra = {
        "pup": ["decoder.stages.*"],
        "mla": ["neck", "neck.reduce.*", "neck.smooth.*", "decoder.streams.?", "decoder.joined"],
        "mask": ["decoder.cosines"],
    }.get(config.decoder, [])
    patterns = [p for p in patterns if p != "auxiliary.*" or config.aux_layers] + extra
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        before = model.coarse(images, aux=True)
        with capture(model, *patterns) as seen:
            during = model.coarse(images, aux=True)
    tokens = 24 + len(config.extra_tokens)
    for i in range(4):
        assert seen[f"encoder.blocks.{i}.attn"].shape == (2, 3, tokens, tokens)
    assert torch.equal(seen["decoder"], during.scores)
    for j, scores in enumerate(during.aux):
        assert torch.equal(seen[f"auxiliary.{j}"], scores)
    if config.decoder == "mask":
        for i in range(2):
            assert seen[f"decoder.blocks.{i}.attn"].shape == (2, 3, 24 + 7, 24 + 7)
        assert seen["decoder.cosines"].shape == (2, 24, 7)
    if config.decoder == "pup":
        sides = [seen[f"decoder.stages.{i}"].shape[-2:] for i in range(4)]
        assert [tuple(side) for side in sides] == [(8, 12), (16, 24), (32, 48), (32, 48)]
    if config.decoder == "mla":
        assert [m.shape for m in seen["neck"]] == [(2, 16, 4, 6)] * 4
        assert seen["decoder.streams.3"].shape == (2, 8, 16, 24)
        assert not any(m.requires_grad for m in seen["neck"])
    assert close(before.scores, during.scores, 3e-5)
    assert all(m.fused for m in model.modules() if isinstance(m, SelfAttention))
