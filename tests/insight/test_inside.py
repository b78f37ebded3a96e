"""One photograph through a model: what is kept is what the model computed."""

import pytest
import torch

from segtutor.data import normalise
from segtutor.insight import capture, inside
from segtutor.models import segmenter_linear, segmenter_mask, setr_mla, setr_pup
from segtutor.tokens import build_encoder

SMALL = dict(patch=8, image=(24, 32))


@pytest.fixture
def photo():
    return torch.randint(0, 256, (3, 24, 40), dtype=torch.uint8)  # 3x5 patches


def test_everything_is_there_and_the_model_is_left_as_it_was(photo):
    model = segmenter_mask(4, (24, 3, 3), decoder_heads=2, **SMALL).train()
    seen = inside(model, photo, classes=("a", "b", "c", "d"))
    assert (seen.grid, seen.extra, seen.patch) == ((3, 5), 1, 8)
    assert seen.attention.shape == (3, 3, 16, 16)
    assert seen.tokens.shape == (3, 16, 24)
    assert seen.decoder_attention.shape == (2, 2, 15 + 4, 15 + 4)
    assert seen.scores.shape == (4, 3, 5) and seen.classes == ("a", "b", "c", "d")
    torch.testing.assert_close(seen.attention.sum(-1), torch.ones(3, 3, 16))
    torch.testing.assert_close(seen.image, photo / 255)
    assert model.training and all(b.attn.fused for b in model.encoder.blocks)
    with torch.no_grad():
        coarse = model.eval().coarse(normalise(photo, "half")[None], aux=False)
    torch.testing.assert_close(seen.scores, coarse.scores[0], atol=1e-4, rtol=1e-4)
    assert torch.equal(seen.answer, seen.scores.argmax(0))


def test_attention_of_a_fused_model_is_the_explicit_paths(photo):
    """The fused path never makes the weights. What `capture` shows of such a model must be what its
    explicit path multiplies with, and must give the fused path's own output.
    """
    model = segmenter_linear(4, (24, 3, 3), **SMALL).eval()
    from_fused = inside(model, photo).attention
    for block in model.encoder.blocks:
        block.attn.fused = False
    from_explicit = inside(model, photo).attention
    assert torch.equal(from_fused, from_explicit)
    assert not any(block.attn.fused for block in model.encoder.blocks)
    for block in model.encoder.blocks:
        block.attn.fused = True
    with torch.no_grad():
        names = [f"encoder.blocks.{i}.norm1" for i in range(3)]
        with capture(model, *names) as seen:
            model(normalise(photo, "half")[None])  # fused: no attention is looked at
        for i, name in enumerate(names):
            layer, z = model.encoder.blocks[i].attn, seen[name]
            v = layer.qkv(z)[0, :, 48:].reshape(16, 3, 8).transpose(0, 1)  # (A, T, d)
            rebuilt = (from_fused[i] @ v).transpose(0, 1).reshape(1, 16, 24)
            torch.testing.assert_close(layer.proj(rebuilt), layer(z), atol=1e-5, rtol=1e-4)


def test_a_bare_encoder_must_be_told_its_normalisation(photo):
    encoder = build_encoder((24, 2, 3), extra_tokens=("cls", "dist"), **SMALL)
    with pytest.raises(ValueError, match="give normalisation='imagenet'"):
        inside(encoder, photo)
    seen = inside(encoder, photo, normalisation="imagenet")
    assert seen.extra == 2 and seen.attention.shape == (2, 3, 17, 17)
    assert seen.scores is None and seen.answer is None and seen.classes == ()
    with torch.no_grad():
        wanted = encoder.eval()(normalise(photo, "imagenet")[None], layers="all").layers
    torch.testing.assert_close(seen.tokens[1], wanted[1][0], atol=1e-5, rtol=1e-4)


def test_finer_scores_are_averaged_over_each_patch(photo):
    model = setr_pup(4, (24, 2, 3), hidden=8, **SMALL).eval()
    seen = inside(model, photo)
    with torch.no_grad():
        fine = model.coarse(normalise(photo, "imagenet")[None]).scores[0]  # (4, 24, 40)
    patch = fine[:, 8:16, 16:24].mean((-1, -2))
    torch.testing.assert_close(seen.scores[:, 1, 2], patch, atol=1e-5, rtol=1e-4)
    assert seen.decoder_attention is None
    model = setr_mla(4, (24, 4, 3), hidden=8, head_hidden=4, **SMALL)
    assert inside(model, photo).extra == 0


def test_floats_and_bytes_are_the_same_photograph(photo):
    model = segmenter_linear(4, (24, 2, 3), **SMALL)
    a, b = inside(model, photo), inside(model, photo / 255)
    torch.testing.assert_close(a.tokens, b.tokens)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p[:, :4], r"4x40 pixels, smaller than one patch of 8x8"),
        (lambda p: p[:, :, :37], r"24x37 pixels, which .* do not tile: .* to 24x32"),
        (lambda p: p[None], r"shape \(1, 3, 24, 40\), expected \(3, H, W\)"),
        (lambda p: p.float(), r"from 0 to 255, expected uint8 or float in 0..1"),
        (lambda p: p / 255 * float("nan"), r"from nan to nan"),
    ],
)
def test_photographs_that_cannot_be_taken(photo, spoil, message):
    photo[0, 0, :2] = torch.tensor([0, 255])
    with pytest.raises(ValueError, match=message):
        inside(segmenter_linear(4, (24, 2, 3), **SMALL), spoil(photo))


def test_attention_that_is_not_finite_is_named(photo):
    model = segmenter_linear(4, (24, 3, 3), **SMALL)
    with torch.no_grad():
        model.encoder.blocks[1].attn.qkv.weight[8:16] = float("nan")  # queries of head 1
    with pytest.raises(ValueError, match=r"layer 1, head 1 \(counted from 0\).*such as nan"):
        inside(model, photo)
    assert not any(m._forward_hooks for m in model.modules())


def test_a_model_without_attention_says_which_views_exist(photo):
    class Net(torch.nn.Module):
        encoder = torch.nn.Conv2d(3, 4, 1)

    with pytest.raises(ValueError, match="Net has no attention.*feature maps.*insight.comparison"):
        inside(Net(), photo)


def test_names_must_be_as_many_as_classes(photo):
    with pytest.raises(ValueError, match="2 class names, but the model scores 4 classes"):
        inside(segmenter_linear(4, (24, 2, 3), **SMALL), photo, classes=("a", "b"))
