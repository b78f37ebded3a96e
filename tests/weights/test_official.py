"""Official checkpoints give the official numbers, and come back as they were."""

import re

import pytest
import torch

from segtutor.insight import capture
from segtutor.models import segmenter_mask, setr_hybrid, setr_mla, setr_naive
from segtutor.upsampling import upsample
from segtutor.weights import from_official, load_model, read_official, save_model, to_official
from tests.weights.official_cases import GOLDENS, SMALL, checkpoint_of, variant_of

ATOL = {"segmenter": 1e-4, "setr": 2e-5}  # logits and auxiliary logits
ATOL_INSIDE = {"segmenter": 2e-4, "setr": 1e-4}  # intermediates and attention maps

# official intermediate -> module of ours; {} takes the number in the name
INSIDE = {
    r"patch_embed": "encoder.patch_embed",
    r"embed_plus_pos": "encoder.pos_embed",
    r"enc_block_(\d+)": "encoder.blocks.{}",
    r"enc_attn_(\d+)": "encoder.blocks.{}.attn",
    r"enc_norm": "encoder.norm",
    r"dec_proj": "decoder.enter",
    r"dec_block_(\d+)": "decoder.blocks.{}",
    r"dec_attn_(\d+)": "decoder.blocks.{}.attn",
    r"dec_norm": "decoder.norm",
    r"masks_before_mask_norm": "decoder.cosines",
    r"decoder_lowres": "decoder",
    r"head_norm": "decoder.norm",
    r"mla_norm_(\d)": "neck.norms.{}",
    r"mla_p(\d)_1x1": "neck.reduce.{}",
    r"mla_p(\d)": "neck.smooth.{}",
    r"mlahead_concat": "decoder.joined",
    r"cls": "decoder.classify",
    r"backbone_out_(\d)": "neck.smooth.{}",
}


def place_of(name: str, decoder: str) -> str:
    if match := re.fullmatch(r"head_conv_(\d)", name):
        i = int(match[1])
        if decoder == "naive":
            return ["decoder.mix", "decoder.classify"][i]
        return "decoder.classify" if i == 4 else f"decoder.stages.{i}.conv"
    for pattern, place in INSIDE.items():
        if match := re.fullmatch(pattern, name):
            number = int(match[1]) - 2 * ("mla_p" in name) if match.groups() else ""
            return place.format(number)
    raise AssertionError(f"no place known for {name}")


@pytest.fixture(params=GOLDENS)
def case(request, golden):
    arrays, config = golden(request.param), golden.config(request.param)["config"]
    model, report = read_official(checkpoint_of(arrays), variant_of(config))
    return model, report, {k: torch.from_numpy(v) for k, v in arrays.items()}


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return float((a - b).abs().max())


@pytest.mark.goldens
def test_logits_and_every_auxiliary_output(case):
    model, _, arrays = case
    images = arrays["in/image"]
    size = tuple(images.shape[-2:])
    with torch.no_grad():
        logits, coarse = model(images), model.coarse(images, aux=True)
    atol = ATOL[model.config.family]
    assert largest(logits, arrays["out/logits"]) <= atol
    assert len(coarse.aux) == sum(name.startswith("out/aux_") for name in arrays)
    for i, scores in enumerate(coarse.aux):
        pixels = upsample(coarse._replace(scores=scores), size)
        assert largest(pixels, arrays[f"out/aux_{i}"]) <= atol, f"auxiliary head {i}"


@pytest.mark.goldens
def test_every_stored_intermediate_and_attention_map(case):
    model, _, arrays = case
    config = model.config
    wanted = {k[4:]: v for k, v in arrays.items() if k.startswith("mid/")}
    places = {name: place_of(name, config.decoder) for name in wanted}
    with torch.no_grad(), capture(model, "*.attn", *places.values()) as seen:
        model(arrays["in/image"])
    for name, value in wanted.items():
        ours = seen[places[name]]
        ours = ours[0] if isinstance(ours, tuple) else ours  # the patch embedding's grid comes 2nd
        assert largest(ours, value) <= ATOL_INSIDE[config.family], name


@pytest.mark.goldens
def test_there_and_back_tensor_for_tensor(case):
    model, report, arrays = case
    given = {k[3:]: v for k, v in arrays.items() if k.startswith("sd/")}
    back = to_official(model)
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in given.items()}
    dead = set(report.dead) & set(given)
    for name, tensor in back.items():
        wanted = torch.zeros_like(given[name]) if name in dead else given[name].clone()
        if "backbone.pos_embed[:, 0]" in report.dead and name == "backbone.pos_embed":
            wanted[:, 0] = 0
        assert torch.equal(tensor, wanted) and tensor.dtype == wanted.dtype, name
    assert report.used == len(given) - len(dead)


def small(golden, name):
    arrays, config = golden(name), golden.config(name)["config"]
    return checkpoint_of(arrays), variant_of(config), torch.from_numpy(arrays["in/image"])


def test_what_is_dead_is_listed_with_the_reason(golden):
    dead = {kind: read_official(*small(golden, name)[:2])[1].dead for kind, name in SMALL.items()}
    assert set(dead["segmenter", "mask"]) == {"encoder.head.weight", "encoder.head.bias"}
    heads = ("decode_head", "auxiliary_head.0", "auxiliary_head.1")
    conv_seg = {f"{h}.conv_seg.{part}" for h in heads for part in ("weight", "bias")}
    assert set(dead["setr", "naive"]) == conv_seg
    assert {"backbone.cls_token", "backbone.pos_embed[:, 0]"} <= set(dead["setr", "mla"])
    sd, variant, _ = small(golden, "segmenter_mask_distilled")
    assert any(name.startswith("encoder.head_dist") for name in read_official(sd, variant)[1].dead)
    report = str(read_official(*small(golden, "setr_naive_lneps")[:2])[1])
    assert "dead: decode_head.conv_seg.weight (inherited by every head" in report


@pytest.mark.parametrize("kind", SMALL, ids="-".join)
def test_dead_tensors_change_nothing_and_living_ones_do(kind, golden):
    sd, variant, images = small(golden, SMALL[kind])
    model, report = read_official(sd, variant)
    with torch.no_grad():
        before = model.coarse(images, aux=True)
        noisy = {k: torch.randn_like(v) if k in report.dead else v for k, v in sd.items()}
        if kind[1] == "mla":
            noisy["backbone.pos_embed"] = sd["backbone.pos_embed"].clone()
            noisy["backbone.pos_embed"][:, 0] = 9.0
        after = from_official(noisy, variant).coarse(images, aux=True)
        assert torch.equal(before.scores, after.scores)
        assert all(torch.equal(a, b) for a, b in zip(before.aux, after.aux, strict=True))
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            kept = tensor.clone()
            tensor.copy_(kept + torch.rand_like(kept))
            moved = model.coarse(images, aux=True)
            tensor.copy_(kept)
            pairs = zip([before.scores, *before.aux], [moved.scores, *moved.aux], strict=True)
            assert any(not torch.equal(a, b) for a, b in pairs), f"{name} is read by nobody"


@pytest.mark.parametrize("kind", SMALL, ids="-".join)
def test_wrappers_prefixes_and_half_precision_are_understood(kind, golden):
    sd, variant, images = small(golden, SMALL[kind])
    wanted = from_official(sd, variant)(images)
    settings = {"net_kwargs": variant} if kind[0] == "segmenter" else {"model": variant}
    wrapper = "model" if kind[0] == "segmenter" else "state_dict"
    ddp = {f"module.{k}": v for k, v in sd.items()}
    whole = {wrapper: ddp, "epoch": 3, "optimizer": {"state": {}}}
    assert torch.equal(from_official(whole, {**settings, "other": 1})(images), wanted)
    lightning = {"state_dict": {f"model.module.{k}": v for k, v in sd.items()}}
    assert torch.equal(from_official(lightning, variant)(images), wanted)
    half = {k: v.half() if v.is_floating_point() else v for k, v in sd.items()}
    model, report = read_official(half, variant)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert report.notes == ["tensors of another precision were converted to float32"]


def test_the_model_owns_its_weights_and_can_be_trained_and_saved(golden, tmp_path):
    sd, variant, images = small(golden, "segmenter_mask")
    model = from_official(sd, variant)
    assert not model.training and all(p.requires_grad for p in model.parameters())
    before = sd["decoder.cls_emb"].clone()
    with torch.no_grad():
        model.decoder.classes.zero_()
    assert torch.equal(sd["decoder.cls_emb"], before)
    model = from_official(sd, variant)
    again = load_model(save_model(model, tmp_path / "m.safetensors")).eval()
    assert torch.equal(again(images), model(images))


def test_models_of_ours_can_be_written_for_the_official_code():
    model = setr_mla(5, (32, 4, 4), image=(32, 32), aux_layers=(0, 3), hidden=8, head_hidden=4)
    back = to_official(model)
    assert back["auxiliary_head.1.conv_seg.weight"].shape == (5, 512, 1, 1)
    assert (
        back["backbone.cls_token"].shape == (1, 1, 32) and back["backbone.pos_embed"].shape[1] == 5
    )
    assert not back["backbone.pos_embed"][:, 0].any()


def test_models_without_an_official_counterpart_are_named():
    tiny = dict(size=(32, 4, 4), image=(32, 32))
    bad = {
        "have a class norm": segmenter_mask(5, **tiny, decoder_heads=2, class_norm=False),
        r"extra_tokens is \(\), official setr-naive has \('cls',\)": setr_naive(
            5, **tiny, extra_tokens=()
        ),
        "no official code": setr_hybrid(5, **tiny, backbone="resnet18"),
        "official SETR is square": setr_naive(5, size=(32, 4, 4), image=(32, 48)),
    }
    for message, model in bad.items():
        with pytest.raises(ValueError, match=message):
            to_official(model)
    naked = setr_naive(5, **tiny)
    naked.config = None
    with pytest.raises(ValueError, match="no configuration"):
        to_official(naked)
