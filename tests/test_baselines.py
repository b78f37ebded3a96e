"""The baselines equal the libraries they come from, and keep the contract of our own models."""

import builtins
import importlib.util
import socket
from urllib.error import URLError

import pytest
import torch
from torch import nn

from segtutor.baselines import BASELINES, BaselineConfig, baseline, build_baseline
from segtutor.data import Sample
from segtutor.evaluation import evaluate
from segtutor.insight import capture
from segtutor.models import SegmentationModel
from segtutor.training import Recipe, train
from segtutor.training.loop import make_optimiser
from segtutor.training.losses import cross_entropy, loss_from_coarse
from segtutor.upsampling import upsample
from segtutor.weights import load_model, save_model

if importlib.util.find_spec("segmentation_models_pytorch") is None:
    pytest.skip("needs segmentation-models-pytorch", allow_module_level=True)

K = 7
SWIN = dict(strict_img_size=False, always_partition=True)

# The four architectures, each with a backbone that is quick to build (FCN: the real one).
SMALL = {
    "fcn": "resnet101",
    "fpn": "resnet18",
    "deeplabv3plus": "tu-resnest14d",
    "upernet": "tu-swin_tiny_patch4_window7_224",
}
STRIDES = {"fcn": 8, "fpn": 4, "deeplabv3plus": 4, "upernet": 4}  # of the scores
MULTIPLES = {"fcn": 1, "fpn": 32, "deeplabv3plus": 16, "upernet": 32}


def library(architecture: str, backbone: str, classes: int) -> nn.Module:
    """What a reader of the library's manual would write, last jump included."""
    import segmentation_models_pytorch as smp
    import torchvision

    if architecture == "fcn":
        make = getattr(torchvision.models.segmentation, f"fcn_{backbone}")
        return make(weights=None, weights_backbone=None, num_classes=classes, aux_loss=True)
    make = {"fpn": smp.FPN, "deeplabv3plus": smp.DeepLabV3Plus, "upernet": smp.UPerNet}
    options = SWIN if "swin" in backbone else {}
    return make[architecture](backbone, encoder_weights=None, classes=classes, **options)


@pytest.fixture(scope="module", params=SMALL)
def pair(request):
    """Ours and theirs with the same weights, BatchNorm statistics not at their start."""
    torch.manual_seed(0)
    config = BaselineConfig(request.param, SMALL[request.param], K)
    ours, theirs = build_baseline(config), library(config.architecture, config.backbone, K)
    for name, buffer in theirs.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(0.1 * torch.randn_like(buffer))
        elif name.endswith("running_var"):
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    mine, other = ours.state_dict(), theirs.state_dict()
    assert len(mine) == len(other)
    ours.load_state_dict(dict(zip(mine, other.values(), strict=True)))  # same order: checks shapes
    return ours.eval(), theirs.eval()


@pytest.mark.parametrize("name", BASELINES)
def test_full_size_on_the_meta_device(name):
    """Parameters are the library's own; a 512x512 image goes through, and one with odd sides."""
    with torch.device("meta"):
        ours, theirs = baseline(name, 150).eval(), library(*BASELINES[name], 150)
        assert count(ours) == count(theirs)
        assert isinstance(ours, SegmentationModel)
        assert ours(torch.empty(1, 3, 512, 512)).shape == (1, 150, 512, 512)
        assert ours(torch.empty(2, 3, 129, 95)).shape == (2, 150, 129, 95)


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_parameter_counts_that_were_published():
    """torchvision states the size of its FCN beside the weights; the others were counted once."""
    import torchvision

    published = torchvision.models.segmentation.FCN_ResNet101_Weights.DEFAULT.meta["num_params"]
    with torch.device("meta"):
        assert count(baseline("fcn_resnet101", 21)) == published == 54_314_346
        counted = {name: count(baseline(name, 150)) for name in BASELINES if name[:3] != "fcn"}
    assert counted == {
        "semantic_fpn_resnet50": 26_135_254,
        "semantic_fpn_resnet101": 45_127_382,
        "deeplabv3plus_resnet101": 45_708_006,
        "deeplabv3plus_resnest101": 49_433_862,
        "upernet_swin_large": 206_986_794,
    }


def test_forward_equals_the_library(pair):
    ours, theirs = pair
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        wanted, got = theirs(images), ours(images)
    wanted = wanted["out"] if isinstance(wanted, dict) else wanted
    assert float(wanted.std()) > 1e-3  # not a comparison of zeros
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_coarse_is_what_stands_before_the_jump(pair):
    ours, _ = pair
    stride, multiple = STRIDES[ours.config.architecture], MULTIPLES[ours.config.architecture]
    assert ours.multiple_of == multiple
    assert ours.align_corners == (ours.config.architecture != "fcn")
    images = torch.randn(1, 3, 61, 50)
    with torch.no_grad():
        coarse = ours.coarse(images)
        padded = tuple(-(-side // multiple) * multiple for side in (61, 50))
        assert coarse.padded_size == padded and coarse.aux == ()
        assert coarse.scores.shape == (1, K, *(-(-side // stride) for side in padded))
        assert torch.equal(ours(images), upsample(coarse, (61, 50)))


def test_odd_sizes_are_padded_with_zeros_and_cropped(pair):
    ours, theirs = pair
    images = torch.randn(2, 3, 45, 70)
    H, W = (-(-side // ours.multiple_of) * ours.multiple_of for side in (45, 70))
    padded = torch.zeros(2, 3, H, W)
    padded[..., :45, :70] = images
    with torch.no_grad():
        wanted, got = theirs(padded), ours(images)
        wanted = wanted["out"] if isinstance(wanted, dict) else wanted
        torch.testing.assert_close(got, wanted[..., :45, :70], atol=1e-5, rtol=1e-5)
        assert ours(images[:1, :, :9, :17]).shape == (1, K, 9, 17)  # smaller than the padding
        assert (ours.predict(images) == got.argmax(1)).float().mean() > 0.999  # ties may differ


def test_the_auxiliary_head_is_the_librarys(pair):
    ours, theirs = pair
    images = torch.randn(2, 3, 40, 64)
    with torch.no_grad():
        coarse = ours.coarse(images, aux=True)
        if ours.config.architecture != "fcn":
            assert coarse.aux == ()
            return
        (scores,) = coarse.aux
        got = upsample(coarse._replace(scores=scores), (40, 64))
        torch.testing.assert_close(got, theirs(images)["aux"], atol=1e-5, rtol=1e-5)


def test_the_loss_is_that_of_the_full_logits(pair):
    ours, _ = pair
    images, labels = torch.randn(2, 3, 61, 50), torch.randint(0, K, (2, 61, 50))
    labels[:, :5] = 255
    with torch.no_grad():
        coarse = ours.coarse(images, aux=True)
        wanted = cross_entropy(upsample(coarse, (61, 50)), labels)
        for scores in coarse.aux:
            full = upsample(coarse._replace(scores=scores), (61, 50))
            wanted = wanted + 0.4 * cross_entropy(full, labels)
        torch.testing.assert_close(loss_from_coarse(coarse, labels), wanted, atol=1e-5, rtol=1e-5)


def test_capture_sees_encoder_decoder_and_auxiliary_head(pair):
    ours, _ = pair
    heads = (
        ["decoder.head.0", "auxiliary.0"] if ours.config.architecture == "fcn" else ["decoder.0"]
    )
    with torch.no_grad(), capture(ours, "encoder", "decoder", *heads) as seen:
        coarse = ours.coarse(torch.randn(1, 3, 64, 64), aux=True)
    assert torch.equal(seen["decoder"], coarse.scores)
    assert {"encoder", "decoder", *heads} == set(seen)
    assert len(seen["encoder"]) >= 2


class Halves:
    """Left half dark and class 0, right half bright and class 1."""

    name, classes, palette, ignore = "halves", ("dark", "bright"), ((0, 0, 0), (255, 255, 255)), 255

    def __len__(self):
        return 4

    def __getitem__(self, i):
        label = torch.zeros(64, 64, dtype=torch.uint8)
        label[:, 32:] = 1
        return Sample((label * 200).expand(3, -1, -1).contiguous(), label, str(i))


def test_fcn_resnet101_trains_in_the_same_loop():
    torch.manual_seed(0)
    model = baseline("fcn_resnet101", 2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    recipe = Recipe(steps=2, batch=2, lr=1e-3, head_lr=10.0, precision="float32")
    history = train(model, Halves(), recipe, verbose=False)
    assert len(history) == 2 and all(row["loss"] > 0 for row in history)
    moved = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert {"encoder.conv1.weight", "decoder.head.4.weight", "auxiliary.0.head.4.weight"} <= set(
        moved
    )
    score = evaluate(model, Halves(), limit=1)
    assert int(score.matrix.sum()) == 64 * 64


@pytest.mark.parametrize("architecture", ["fpn", "deeplabv3plus", "upernet"])
def test_the_others_train_too(architecture):
    model = build_baseline(BaselineConfig(architecture, SMALL[architecture], 2))
    recipe = Recipe(steps=1, batch=2, lr=1e-3, head_lr=10.0, precision="float32")
    assert len(train(model, Halves(), recipe, verbose=False)) == 1
    rates = {
        group["lr_factor"]: group["params"] for group in make_optimiser(model, recipe).param_groups
    }
    assert len(rates[1.0]) == len(list(model.encoder.parameters()))
    assert len(rates[10.0]) == len(list(model.decoder.parameters()))


def test_one_image_cannot_train_a_batch_norm_after_global_pooling():
    model = build_baseline(BaselineConfig("deeplabv3plus", "resnet18", 2)).train()
    with pytest.raises(ValueError, match="batch of 1 image cannot train deeplabv3plus"):
        model.coarse(torch.randn(1, 3, 64, 64))
    model.eval()(torch.randn(1, 3, 64, 64))


def test_swin_shifts_its_windows_in_every_stage():
    """As Swin's segmentation code; timm's default for 224 px leaves the last stage unshifted."""
    with torch.device("meta"):
        model = baseline("upernet_swin_large", 2)
    names = [n for n, m in model.named_modules() if hasattr(m, "shift_size")]
    odd = [model.get_submodule(name) for name in names if int(name.split(".")[-1]) % 2]
    assert len(odd) == 12 and all(tuple(block.shift_size) == (3, 3) for block in odd)


def test_saved_and_read_again(tmp_path):
    model = build_baseline(BaselineConfig("fpn", "resnet18", K)).eval()
    again = load_model(save_model(model, tmp_path / "fpn.safetensors")).eval()
    images = torch.randn(1, 3, 61, 50)
    assert again.config == model.config
    assert torch.equal(again(images), model(images))


def test_nothing_is_downloaded_unless_asked(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a baseline went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with torch.device("meta"):
        for name in BASELINES:
            baseline(name, 2)


def test_a_failed_download_says_what_to_do(monkeypatch):
    def no_network(*arguments, **options):
        raise URLError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", no_network)
    for name in ("fcn_resnet101", "semantic_fpn_resnet50"):
        with pytest.raises(FileNotFoundError, match="URLError.*pretrained=False"):
            baseline(name, 2, pretrained=True)


def test_a_missing_library_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "segmentation_models_pytorch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'segtutor\[baselines\]'"):
        baseline("semantic_fpn_resnet50", 2)
    with torch.device("meta"):
        baseline("fcn_resnet101", 2)  # torchvision's needs no extra


def test_bad_names_and_shapes_are_explained():
    with pytest.raises(ValueError, match="unknown baseline 'unet'; known: fcn_resnet101"):
        baseline("unet", 2)
    with pytest.raises(ValueError, match="unknown architecture 'unet'; known: fcn, fpn"):
        build_baseline(BaselineConfig("unet", "resnet18", 2))
    with pytest.raises(ValueError, match="no backbone 'resnet18'; known: resnet50, resnet101"):
        build_baseline(BaselineConfig("fcn", "resnet18", 2))
    for backbone in ("resnet1001", "tu-resnet1001"):
        with pytest.raises(ValueError, match=f"unknown backbone '{backbone}'"):
            build_baseline(BaselineConfig("fpn", backbone, 2))
    model = build_baseline(BaselineConfig("fpn", "resnet18", 2)).eval()
    for shape in [(3, 64, 64), (1, 4, 64, 64)]:
        with pytest.raises(ValueError, match=r"expected \(B, 3, H, W\)"):
            model(torch.randn(*shape))
