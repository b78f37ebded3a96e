"""The two-method contract, odd sizes, and the official numbers of the models that exist so far."""

import pytest
import torch
import torch.nn.functional as F

from segtutor.models import ModelConfig, build, segmenter_linear, setr_naive
from segtutor.upsampling import Coarse, interpolation_matrix, predict_from_coarse, upsample

TINY = dict(size=(24, 3, 3), patch=16, image=(64, 64))


@pytest.fixture(params=["segmenter", "setr"])
def model(request):
    make = segmenter_linear if request.param == "segmenter" else setr_naive
    return make(7, **TINY).eval()


@pytest.mark.parametrize("size", [(64, 64), (61, 50), (96, 80), (16, 16), (17, 33)])
def test_any_size_from_one_patch_up(model, size):
    images = torch.randn(2, 3, *size)
    logits = model(images)
    assert logits.shape == (2, 7, *size)
    coarse = model.coarse(images, aux=False)
    assert coarse.padded_size == tuple(-(-side // 16) * 16 for side in size)
    assert coarse.scores.shape[-2:] == tuple(side // 16 for side in coarse.padded_size)
    padded = F.pad(images, (0, coarse.padded_size[1] - size[1], 0, coarse.padded_size[0] - size[0]))
    torch.testing.assert_close(logits, model(padded)[..., : size[0], : size[1]])


@pytest.mark.parametrize("size", [(64, 64), (61, 50)])
def test_prediction_in_strips_equals_argmax(model, size):
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert torch.equal(model.predict(images), model(images).argmax(1))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    "source,target", [((4, 4), (64, 64)), ((3, 5), (48, 80)), ((1, 2), (16, 32))]
)
def test_the_two_matrices_are_the_interpolation(source, target, align_corners):
    scores = torch.randn(2, 3, *source)
    wanted = F.interpolate(scores, size=target, mode="bilinear", align_corners=align_corners)
    rows = interpolation_matrix(source[0], target[0], align_corners)
    cols = interpolation_matrix(source[1], target[1], align_corners)
    torch.testing.assert_close(rows @ scores @ cols.T, wanted, atol=1e-5, rtol=1e-5)
    size = (target[0] - 3, target[1] - 5)
    coarse = Coarse(scores, (), target, align_corners)
    got = predict_from_coarse(coarse, size, strip=7)
    assert (got == upsample(coarse, size).argmax(1)).float().mean() > 0.999  # ties may differ


def test_too_small_images_and_missing_batch_axis(model):
    with pytest.raises(ValueError, match="15x40 pixels, smaller than one patch of 16x16"):
        model(torch.randn(1, 3, 15, 40))
    with pytest.raises(ValueError, match=r"expected \(B, 3, H, W\)"):
        model(torch.randn(3, 64, 64))


def test_auxiliary_heads_run_in_training_only():
    model = setr_naive(7, **TINY, aux_layers=(0, 1))
    images = torch.randn(2, 3, 48, 64)
    assert [a.shape for a in model.coarse(images).aux] == [(2, 7, 3, 4)] * 2
    assert model.coarse(images, aux=False).aux == ()
    assert model.eval().coarse(images).aux == ()


def test_configuration_survives_json():
    import json

    config = ModelConfig("setr", "naive", 7, (24, 3, 3), image=(64, 48), aux_layers=(0,))
    again = ModelConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert build(again).state_dict().keys() == build(config).state_dict().keys()
    with pytest.raises(ValueError, match=r"unknown entries \['colour'\]"):
        ModelConfig.from_dict({**config.to_dict(), "colour": 1})
    with pytest.raises(ValueError, match="no model 'setr' with decoder 'linear'"):
        build(ModelConfig("setr", "linear", 7))


def test_every_named_size_builds_on_the_meta_device():
    with torch.device("meta"):
        for size in ("tiny", "small", "base", "large"):
            for patch in (8, 16, 32):
                segmenter_linear(150, size, patch=patch)
        setr_naive(19, image=(768, 768))


def test_segmenter_linear_golden(golden):
    arrays = golden("segmenter_linear")
    model = segmenter_linear(7, **TINY).eval()
    dead = ("encoder.head.",)  # the classifier that official checkpoints carry along
    tensors = {k[3:]: torch.from_numpy(v) for k, v in arrays.items() if k.startswith("sd/")}
    model.load_state_dict({k: v for k, v in tensors.items() if not k.startswith(dead)})
    with torch.no_grad():
        images = torch.from_numpy(arrays["in/image"])
        coarse, logits = model.coarse(images).scores, model(images)
    torch.testing.assert_close(
        coarse, torch.from_numpy(arrays["mid/decoder_lowres"]), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(logits, torch.from_numpy(arrays["out/logits"]), atol=1e-4, rtol=0)


@pytest.mark.goldens
@pytest.mark.parametrize(
    "name,side,depth,aux", [("setr_naive_lneps", 48, 3, (0, 1)), ("setr_naive", 80, 5, (1, 2, 3))]
)
def test_setr_naive_golden(golden, name, side, depth, aux):
    arrays = golden(name)
    heads = golden.config(name)["config"]["model"]["auxiliary_head"]
    assert tuple(head["in_index"] for head in heads) == aux
    model = setr_naive(7, (32, depth, 4), patch=16, image=(side, side), aux_layers=aux).eval()
    names = {"backbone": "encoder", "decode_head": "decoder", "auxiliary_head": "auxiliary",
             "conv_0": "mix", "syncbn_fc_0": "bn", "conv_1": "classify"}  # fmt: skip
    tensors = {}
    for key, value in arrays.items():
        if key.startswith("sd/") and "conv_seg" not in key:
            parts = [names.get(part, part) for part in key[3:].split(".")]
            tensors[".".join(parts)] = torch.from_numpy(value)
    model.load_state_dict(tensors)
    with torch.no_grad():
        coarse = model.coarse(torch.from_numpy(arrays["in/image"]), aux=True)
    main = upsample(coarse, (side, side))
    torch.testing.assert_close(main, torch.from_numpy(arrays["out/logits"]), atol=2e-5, rtol=0)
    for i, scores in enumerate(coarse.aux):
        got = upsample(coarse._replace(scores=scores), (side, side))
        torch.testing.assert_close(got, torch.from_numpy(arrays[f"out/aux_{i}"]), atol=2e-5, rtol=0)
