"""timm weights into our encoder: nothing missing, nothing left over, nothing guessed."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.tokens import Encoder, build_encoder
from segtutor.weights import (
    PRETRAINED,
    find_weights,
    load_encoder,
    load_pretrained,
    pretrained_encoder,
)


@pytest.mark.parametrize("name", PRETRAINED)
def test_every_entry_describes_the_timm_model_of_that_name(name, timm):
    """Key names and shapes of all pretrained models, on the meta device: seconds, no memory."""
    spec = PRETRAINED[name]
    with torch.device("meta"):
        theirs = timm.create_model(name).state_dict()
        ours = build_encoder(
            spec.size, patch=spec.patch, image=spec.image, extra_tokens=spec.extra_tokens
        ).state_dict()
    body = {k: v.shape for k, v in theirs.items() if not k.startswith("head")}
    assert body == {k: v.shape for k, v in ours.items()}
    mean = timm.create_model(name, img_size=32).pretrained_cfg["mean"] if "tiny" in name else None
    if mean:
        from segtutor.data import NORMALISATIONS

        assert mean == NORMALISATIONS[spec.normalisation][0]


@pytest.fixture
def distilled(timm):
    return timm.create_model("deit_tiny_distilled_patch16_224").state_dict()


def test_tokens_the_encoder_lacks_are_dropped_with_their_positions(distilled):
    tensors = distilled
    encoder = build_encoder("tiny", image=(224, 224), extra_tokens=("cls",), final_norm=False)
    report = load_encoder(encoder, tensors, image=(224, 224), extra_tokens=("cls", "dist"))
    table = encoder.pos_embed.table
    assert torch.equal(table[:, 0], tensors["pos_embed"][:, 0])
    assert torch.equal(table[:, 1:], tensors["pos_embed"][:, 2:])
    assert {"dist_token", "pos_embed[:, 1]", "norm.weight", "norm.bias"} <= set(report.unused)
    assert "none missing" in str(report)


def test_positions_are_resized_to_the_encoders_grid(distilled):
    encoder = build_encoder("tiny", image=(96, 160), extra_tokens=("cls", "dist"))
    report = load_encoder(encoder, distilled, image=(224, 224), extra_tokens=("cls", "dist"))
    assert report.resized == "14x14 -> 6x10 grid, bilinear"
    assert encoder.pos_embed.table.shape == (1, 2 + 60, 192)


@pytest.mark.parametrize("side", [80, 112])
@pytest.mark.parametrize("kind,theirs", [("vit", ("cls",)), ("deit_distilled", ("cls", "dist"))])
def test_setr_loads_positions_as_officially(golden, kind, theirs, side):
    """SETR's own loader: 6x6 grid to the crop's, DeiT's distillation token dropped."""
    arrays = golden("setr_pretrained_pos_embed")
    common = dict(width=8, depth=1, heads=2, patch=16, final_norm=False)
    tensors = Encoder(**common, image=(96, 96), extra_tokens=theirs).state_dict()
    tensors["pos_embed"] = torch.from_numpy(arrays[f"in/{kind}"])
    ours = Encoder(**common, image=(side, side))
    load_encoder(ours, tensors, image=(96, 96), extra_tokens=theirs)
    wanted = torch.from_numpy(arrays[f"out/{kind}_img{side}"])
    torch.testing.assert_close(ours.pos_embed.table.detach(), wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("case,extra", [("square", 1), ("dist", 2), ("rect", 1), ("down", 1)])
def test_segmenter_loads_positions_as_officially(golden, case, extra):
    arrays = golden("segmenter_resize_pos_embed")
    (old, new, count) = golden.config("segmenter_resize_pos_embed")["config"]["cases"][case]
    assert count == extra
    tokens = ("cls", "dist")[:extra]
    common = dict(width=5, depth=1, heads=1, patch=16, extra_tokens=tokens)
    image, crop = ([16 * side for side in grid] for grid in (old, new))
    tensors = Encoder(**common, image=image).state_dict()
    tensors["pos_embed"] = torch.from_numpy(arrays[f"in/{case}"])
    ours = Encoder(**common, image=crop)
    load_encoder(ours, tensors, image=image, extra_tokens=tokens)
    wanted = torch.from_numpy(arrays[f"out/{case}"])
    torch.testing.assert_close(ours.pos_embed.table.detach(), wanted, atol=1e-6, rtol=0)


def test_another_variant_is_named_with_both_shapes(distilled):
    encoder = build_encoder("small", image=(224, 224), extra_tokens=("cls", "dist"))
    with pytest.raises(ValueError, match=r"'cls_token', \(1, 1, 192\) in the file, \(1, 1, 384\)"):
        load_encoder(encoder, distilled, image=(224, 224), extra_tokens=("cls", "dist"))
    patch8 = build_encoder("tiny", patch=8, image=(112, 112), extra_tokens=("cls", "dist"))
    with pytest.raises(ValueError, match=r"'patch_embed.proj.weight', \(192, 3, 16, 16\) in"):
        load_encoder(patch8, distilled, image=(112, 112), extra_tokens=("cls", "dist"))


def test_missing_and_leftover_tensors_are_named(distilled):
    tensors, encoder = distilled, build_encoder("tiny", extra_tokens=("cls", "dist"))
    where = dict(image=(224, 224), extra_tokens=("cls", "dist"))
    less = {k: v for k, v in tensors.items() if k != "blocks.3.attn.qkv.bias"}
    with pytest.raises(ValueError, match="no tensor 'blocks.3.attn.qkv.bias'"):
        load_encoder(encoder, less, **where)
    with pytest.raises(ValueError, match=r"no place for: \['blocks.12.norm1.weight'\]"):
        load_encoder(encoder, {**tensors, "blocks.12.norm1.weight": torch.ones(192)}, **where)


def test_unknown_name_and_missing_file(monkeypatch, tmp_path, timm):
    with pytest.raises(ValueError, match="unknown pretrained encoder 'resnet50'"):
        pretrained_encoder("resnet50")
    monkeypatch.setenv("SEGTUTOR_DATA", str(tmp_path))
    monkeypatch.setenv("SEGTUTOR_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="deit_tiny_patch16_224 not found; looked at"):
        pretrained_encoder("deit_tiny_patch16_224", download=False)

    def no_network(*a, **k):
        raise ConnectionError

    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded \(ConnectionError\)"):
        pretrained_encoder("deit_tiny_patch16_224")


@pytest.mark.real_data
class TestRealDeiTTiny:
    """The numbers that stand in the weights' golden.json, made with timm."""

    @pytest.fixture(scope="class")
    def here(self, real_data):
        encoder, report = pretrained_encoder("deit_tiny_patch16_224", data_root=real_data)
        folder = real_data / "deit_tiny_patch16_224"
        tensors = find_weights("deit_tiny_patch16_224", real_data)
        return encoder.eval(), report, json.loads((folder / "golden.json").read_text()), tensors

    def logits(self, here, x):
        from segtutor.weights import read_tensors

        tensors = read_tensors(here[3])
        with torch.no_grad():
            return here[0](x).tokens[:, 0] @ tensors["head.weight"].T + tensors["head.bias"]

    def test_nothing_is_left_but_the_classifier(self, here):
        assert set(here[1].unused) == {"head.weight", "head.bias"} and not here[1].resized

    def test_features_and_logits(self, here):
        n = 3 * 224 * 224
        x = torch.sin(torch.arange(n, dtype=torch.float64).reshape(1, 3, 224, 224) * 0.01).float()
        with torch.no_grad():
            tokens = here[0](x).tokens
        wanted = here[2]["forward_features(after final norm)"]
        for key, row in (("cls[:8]", 0), ("patch0[:8]", 1), ("patch195[:8]", 196)):
            assert tokens[0, row, :8].tolist() == pytest.approx(wanted[key], abs=1e-3)
        assert float(tokens.mean()) == pytest.approx(wanted["mean"], abs=1e-3)
        assert float(tokens.std()) == pytest.approx(wanted["std"], abs=1e-3)
        logits = self.logits(here, x)
        for index, value in here[2]["logits"]["top5"]:
            assert float(logits[0, index]) == pytest.approx(value, abs=1e-3)

    @pytest.mark.parametrize("photo", ["chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png"])
    def test_photographs(self, here, real_data, photo):
        from segtutor.data import normalise

        image = Image.open(real_data / "photos" / photo).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.BICUBIC)
        left, top = ((side - 224) // 2 for side in image.size)
        pixels = np.array(image.crop((left, top, left + 224, top + 224)))
        x = normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None], "imagenet")
        probability = self.logits(here, x).softmax(-1)[0]
        best = probability.topk(3)
        wanted = here[2]["photos"][photo]
        assert best.indices.tolist() == [row[0] for row in wanted]
        assert best.values.tolist() == pytest.approx([row[2] for row in wanted], abs=2e-3)

    def test_every_variant_of_encoder_takes_them(self, real_data):
        for options in (dict(image=(96, 160)), dict(extra_tokens=()), dict(final_norm=False)):
            encoder, report = pretrained_encoder(
                "deit_tiny_patch16_224", data_root=real_data, **options
            )
            assert torch.isfinite(encoder(torch.randn(1, 3, 96, 160)).tokens).all(), report

    def test_local_file_is_taken_before_any_download(self, real_data, monkeypatch, timm):
        monkeypatch.setattr(timm, "create_model", lambda *a, **k: pytest.fail("tried to download"))
        encoder = build_encoder("tiny")
        assert "150 tensors" in str(
            load_pretrained(encoder, "deit_tiny_patch16_224", data_root=real_data)
        )
