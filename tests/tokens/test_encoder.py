"""The encoder against timm, block by block, and against the numbers the official code gave."""

import pytest
import torch

from segtutor.tokens import SIZES, DropPath, Encoder, build_encoder
from segtutor.weights import load_encoder

# timm name, our size, patch, extra tokens. Random weights: parity needs no download.
CASES = [
    ("vit_tiny_patch16_224", "tiny", 16, ("cls",)),
    ("vit_small_patch16_224", "small", 16, ("cls",)),
    ("vit_base_patch16_224", "base", 16, ("cls",)),
    ("vit_small_patch32_224", "small", 32, ("cls",)),
    ("vit_base_patch32_224", "base", 32, ("cls",)),
    ("deit_tiny_patch16_224", "tiny", 16, ("cls",)),
    ("deit_tiny_distilled_patch16_224", "tiny", 16, ("cls", "dist")),
    ("deit_small_distilled_patch16_224", "small", 16, ("cls", "dist")),
    ("deit_base_distilled_patch16_224", "base", 16, ("cls", "dist")),
]


@pytest.fixture(scope="module", params=CASES, ids=[case[0] for case in CASES])
def theirs(request, timm):
    """timm's model with random weights everywhere, also where it starts with zeros and ones."""
    name, size, patch, extra = request.param
    torch.manual_seed(0)
    model = timm.create_model(name, img_size=(96, 160), num_classes=10).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1 or parameter.shape[0] == 1:
            parameter.data.add_(0.02 * torch.randn_like(parameter))
    return model, size, patch, extra


@pytest.mark.parametrize("image", [(96, 96), (96, 160)], ids=["square", "96x160"])
def test_every_block_equals_timm(theirs, image):
    theirs, size, patch, extra = theirs
    theirs.set_input_size(img_size=image)  # resizes its table, if need be; we are given the result
    with torch.device("meta"):
        ours = build_encoder(size, patch=patch, image=image, extra_tokens=extra)
    ours = ours.to_empty(device="cpu").eval()
    report = load_encoder(ours, theirs.state_dict(), image=image, extra_tokens=extra)
    assert all(key.startswith("head") for key in report.unused), report
    x = torch.randn(1, 3, *image)
    seen = {}
    hooks = [
        block.register_forward_hook(lambda m, a, out, i=i: seen.__setitem__(i, out))
        for i, block in enumerate(theirs.blocks)
    ]
    with torch.no_grad():
        final, encoded = theirs.forward_features(x), ours(x, layers="all")
    for hook in hooks:
        hook.remove()
    worst = max(float((seen[i] - encoded.layers[i]).abs().max()) for i in seen)
    assert len(seen) == len(encoded.layers) == ours.depth
    assert worst <= 1e-5
    assert float((final - encoded.tokens).abs().max()) <= 1e-5


def test_sizes_of_the_papers_tables():
    assert SIZES == {  # SETR table 2; Segmenter table 1
        "tiny": (192, 12, 3),
        "small": (384, 12, 6),
        "base": (768, 12, 12),
        "large": (1024, 24, 16),
    }
    with torch.device("meta"):
        large = build_encoder("T-Large")
        small = build_encoder("T-Small")
    assert (large.width, large.depth) == (1024, 24) and (small.width, small.depth) == (768, 12)
    with pytest.raises(ValueError, match="unknown encoder size 'huge'; known: tiny"):
        build_encoder("huge")


@pytest.mark.parametrize("extra", [(), ("cls",), ("cls", "dist")])
def test_layers_are_what_was_asked_for(extra):
    encoder = Encoder(
        width=12, depth=4, heads=3, patch=8, image=(24, 32), extra_tokens=extra
    ).eval()
    encoded = encoder(torch.randn(2, 3, 24, 40), layers=[1, 3])
    assert set(encoded.layers) == {1, 3} and encoded.grid == (3, 5) and encoded.extra == len(extra)
    assert encoded.layers[1].shape == (2, len(extra) + 15, 12)
    assert encoded.patches().shape == encoded.patches(1).shape == (2, 15, 12)
    torch.testing.assert_close(encoder.norm(encoded.layers[3]), encoded.tokens)
    with pytest.raises(ValueError, match=r"blocks 0\.\.3"):
        encoder(torch.randn(1, 3, 24, 32), layers=[4])


def test_final_norm_can_be_left_out():
    encoder = Encoder(width=12, depth=2, heads=3, patch=8, image=(24, 32), final_norm=False).eval()
    encoded = encoder(torch.randn(2, 3, 24, 32), layers=[1])
    assert torch.equal(encoded.tokens, encoded.layers[1])
    assert not any(key.startswith("norm.") for key in encoder.state_dict())


def test_fused_and_explicit_paths_agree_after_every_block():
    encoder = Encoder(width=24, depth=3, heads=3, patch=8, image=(32, 48)).eval()
    x = torch.randn(2, 3, 32, 48)
    fast = encoder(x, layers="all")
    for block in encoder.blocks:
        block.attn.fused = False
    slow = encoder(x, layers="all")
    for i in range(3):
        torch.testing.assert_close(fast.layers[i], slow.layers[i], atol=1e-5, rtol=1e-5)


def test_drop_path_rises_linearly_and_keeps_the_mean():
    encoder = Encoder(width=8, depth=5, heads=2, patch=8, image=(16, 16), drop_path=0.2)
    rates = [block.drop_path.rate for block in encoder.blocks]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    drop, x = DropPath(0.25).train(), torch.ones(20000, 1, 1)
    y = drop(x)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert float(y.mean()) == pytest.approx(1.0, abs=0.03)
    assert drop.eval()(x) is x


def test_segmenter_encoder_goldens(golden):
    """Official intermediates: square, positions resized to 96x80, tiny inputs that show eps."""
    for name in ("segmenter_linear", "segmenter_posresize", "segmenter_lneps"):
        arrays = golden(name)
        encoder = Encoder(
            width=24, depth=3, heads=3, patch=16, image=(64, 64), norm_eps=1e-5
        ).eval()
        tensors = {
            key.removeprefix("sd/encoder."): torch.from_numpy(value)
            for key, value in arrays.items()
            if key.startswith("sd/encoder.")
        }
        load_encoder(encoder, tensors, image=(64, 64), extra_tokens=("cls",))
        with torch.no_grad():
            encoded = encoder(torch.from_numpy(arrays["in/image"]), layers="all")
        for i in range(3):
            wanted = torch.from_numpy(arrays[f"mid/enc_block_{i}"])
            torch.testing.assert_close(encoded.layers[i], wanted, atol=2e-4, rtol=0)
        wanted = torch.from_numpy(arrays["mid/enc_norm"])
        torch.testing.assert_close(encoded.tokens, wanted, atol=2e-4, rtol=0)


def test_unknown_extra_tokens_are_refused():
    with pytest.raises(ValueError, match="extra_tokens is"):
        Encoder(width=8, depth=1, heads=2, patch=8, image=(16, 16), extra_tokens=("dist",))


def test_frozen_blocks_get_no_gradient():
    encoder = Encoder(width=12, depth=3, heads=3, patch=8, image=(24, 32))
    encoder.freeze(2)
    encoder(torch.randn(1, 3, 24, 32)).tokens.square().sum().backward()
    learning = {name for name, p in encoder.named_parameters() if p.grad is not None}
    wanted = {f"blocks.2.{name}" for name, _ in encoder.blocks[2].named_parameters()}
    assert learning == wanted | {"norm.weight", "norm.bias"}
    free = Encoder(width=12, depth=3, heads=3, patch=8, image=(24, 32))
    free.freeze(0)
    assert all(p.requires_grad for p in free.parameters())
    with pytest.raises(ValueError, match="cannot freeze 4 of 3 blocks"):
        free.freeze(4)
