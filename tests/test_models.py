"""The two-method contract, odd sizes, and the official numbers of the models that exist so far."""

import pytest
import torch
import torch.nn.functional as F

from segtutor.models import (
    ModelConfig,
    build,
    segmenter_linear,
    segmenter_mask,
    setr_mla,
    setr_naive,
    setr_pup,
    synchronise_batchnorm,
)
from segtutor.upsampling import Coarse, interpolation_matrix, predict_from_coarse, upsample

TINY = dict(size=(24, 3, 3), patch=16, image=(64, 64))
GRID = {"pup": 8, "mla": 4}  # how much finer than the patches the coarse scores are


@pytest.fixture(params=[segmenter_linear, segmenter_mask, setr_naive, setr_pup, setr_mla])
def model(request):
    options = dict(TINY)
    if request.param is segmenter_mask:
        options["decoder_heads"] = 3
    if request.param in (setr_pup, setr_mla):
        options["hidden"] = 8
    if request.param is setr_mla:
        options |= dict(taps=(0, 1, 2), head_hidden=4)
    return request.param(7, **options).eval()


@pytest.mark.parametrize("size", [(64, 64), (61, 50), (96, 80), (16, 16), (17, 33)])
def test_any_size_from_one_patch_up(model, size):
    images = torch.randn(2, 3, *size)
    logits = model(images)
    assert logits.shape == (2, 7, *size)
    coarse = model.coarse(images, aux=False)
    assert coarse.padded_size == tuple(-(-side // 16) * 16 for side in size)
    finer = GRID.get(model.config.decoder, 1)
    assert coarse.scores.shape[-2:] == tuple(finer * side // 16 for side in coarse.padded_size)
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
    got = predict_from_coarse(coarse, size, tile=7)
    assert (got == upsample(coarse, size).argmax(1)).float().mean() > 0.999  # ties may differ


def test_too_small_images_and_missing_batch_axis(model):
    with pytest.raises(ValueError, match="15x40 pixels, smaller than one patch of 16x16"):
        model(torch.randn(1, 3, 15, 40))
    with pytest.raises(ValueError, match=r"expected \(B, 3, H, W\)"):
        model(torch.randn(3, 64, 64))


def test_images_of_another_precision_are_named(model):
    for images, said in (
        (torch.randn(1, 3, 32, 32).half(), "images are float16, the model's weights float32"),
        (torch.randn(1, 3, 32, 32).double(), "images are float64, the model's weights float32"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), r"images are uint8.*normalised"),
    ):
        with pytest.raises(ValueError, match=said):
            model(images)
    half = torch.randn(1, 3, 32, 32).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(model(half)).all()
    assert torch.isfinite(model.bfloat16()(half)).all()


def test_mla_needs_a_depth_that_divides_or_named_blocks():
    with pytest.raises(ValueError, match="depth 3 does not divide into 4 equal levels.*`taps`"):
        setr_mla(7, **TINY)
    assert setr_mla(7, **TINY, taps=(0, 2)).neck.layers == (0, 2)
    with pytest.raises(ValueError, match=r"aux_layers is \(5,\).* fused maps: numbers 0..1"):
        setr_mla(7, **TINY, taps=(0, 2), aux_layers=(5,))
    with pytest.raises(ValueError, match=r"layers \[0, 9\]: this encoder has blocks 0..2"):
        setr_mla(7, **TINY, taps=(0, 9))(torch.randn(1, 3, 32, 32))


def test_batchnorm_is_synchronised_for_several_devices_only():
    model = setr_pup(7, **TINY, hidden=8, aux_layers=(1,))
    names = list(model.state_dict())
    assert synchronise_batchnorm(model, devices=1) is model
    assert not any(isinstance(m, torch.nn.SyncBatchNorm) for m in model.modules())
    values = [t.clone() for t in model.state_dict().values()]
    many = synchronise_batchnorm(model, devices=2)
    kinds = [type(m) for m in many.modules() if isinstance(m, torch.nn.modules.batchnorm._NormBase)]
    assert kinds == [torch.nn.SyncBatchNorm] * 5
    assert list(many.state_dict()) == names
    assert all(torch.equal(a, b) for a, b in zip(values, many.state_dict().values(), strict=True))


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
                segmenter_mask(150, size, patch=patch)
        for make in (setr_naive, setr_pup, setr_mla):
            make(19, image=(768, 768))
