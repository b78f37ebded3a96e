"""The table of models: every one runs small, its numbers are counted, the backbones exist."""

import re

import pytest
import torch

from segtutor.cli import main
from segtutor.decoders import AUX_LAYERS
from segtutor.models import build
from segtutor.named import DATA, MODELS, Cost, cost, named_model, table
from segtutor.tokens import SIZES
from segtutor.training.losses import loss_from_coarse
from segtutor.weights import BACKBONES


def tiny(name: str):
    """The model of that name with its depth, 24 wide."""
    depth = SIZES[MODELS[name].config.size][1]
    small = dict(size=(24, depth, 3), image=(64, 96), hidden=8, head_hidden=4)
    stem = {"backbone": "resnet18"} if MODELS[name].config.backbone else {}
    return named_model(name, classes=5, **small, **stem, decoder_heads=3)


@pytest.mark.parametrize("name", MODELS)
def test_forward_and_backward_at_64x96(name):
    model = tiny(name).train()
    images, labels = torch.randn(2, 3, 64, 96), torch.randint(0, 5, (2, 64, 96))
    coarse = model.coarse(images)
    assert len(coarse.aux) == len(MODELS[name].config.aux_layers)
    loss = loss_from_coarse(coarse, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert not [n for n, p in model.named_parameters() if p.grad is None]  # nothing is in vain
    with torch.no_grad():
        logits = model.eval()(images[:, :, :50, :70])
    assert logits.shape == (2, 5, 50, 70) and torch.isfinite(logits).all()


def test_full_size_costs_on_the_meta_device():
    """By hand for Seg-B/16 at 512: 12 blocks of 12 N D^2 + 2 N^2 D, embedding, head."""
    row = MODELS["segmenter-linear-base-16"]
    D, N, T = 768, 1024, 1025
    pairs = 12 * (12 * T * D**2 + 2 * T**2 * D) + N * 3 * 16 * 16 * D + N * D * 150
    c = cost(row)
    assert c.gflops == pytest.approx(2 * pairs / 1e9, rel=1e-6)
    with torch.device("meta"):
        model = build(row.config)
    assert c.total == sum(p.numel() for p in model.parameters()) == c.encoder + c.decoder
    assert c.decoder == D * 150 + 150
    assert c.megabytes == pytest.approx(4 * c.total / 1e6)


@pytest.mark.parametrize("name", MODELS)
def test_every_name_builds_at_full_size_without_memory(name):
    config = MODELS[name].config
    with torch.device("meta"):
        model = build(config)
    assert all(p.is_meta for p in model.parameters())
    assert config.image[0] in [side for _, side in DATA.values()] + [640]
    if config.family == "setr":
        assert config.aux_layers == AUX_LAYERS[config.decoder, SIZES[config.size][1]]
        assert config.norm_eps == 1e-6 and config.normalisation == "imagenet"
    else:
        assert config.norm_eps == 1e-5 and config.drop_path == 0.1


def test_the_table_covers_what_the_papers_train():
    names = set(MODELS)
    for decoder in ("naive", "pup", "mla"):
        assert {f"setr-{decoder}-{size}" for size in ("small", "large", "deit-base")} <= names
    assert "setr-hybrid" in names
    for decoder in ("linear", "mask"):
        for size in ("tiny-16", "small-16", "base-16", "base-deit-16", "large-16"):
            assert f"segmenter-{decoder}-{size}" in names
        for size in ("small-32", "base-32", "base-8"):
            assert f"segmenter-{decoder}-{size}" in names


def test_results_as_printed_in_the_papers():
    printed = {  # Segmenter tables 3, 4 and 6; SETR tables 1d and 1e
        "segmenter-linear-tiny-16": 39.03,
        "segmenter-linear-small-16": 45.37,
        "segmenter-linear-base-deit-16": 47.08,
        "segmenter-linear-large-16": 50.71,
        "segmenter-mask-base-16": 48.48,
        "segmenter-mask-base-deit-16": 48.70,
        "segmenter-mask-large-16-640": 51.82,
        "setr-naive-large": 48.18,
        "setr-pup-large": 48.58,
        "setr-mla-large": 48.64,
        "setr-pup-small": 78.02,
    }
    assert {name: MODELS[name].miou for name in printed} == printed
    assert MODELS["segmenter-mask-tiny-16"].source == "repository"
    assert MODELS["segmenter-mask-base-8"].miou is None


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match="no model named 'setr-plus'; there are setr-naive-small,"):
        named_model("setr-plus")
    with pytest.raises(ValueError, match="no model's name contains 'vgg'"):
        table("vgg")


def test_the_command_prints_one_line_a_model(capsys, monkeypatch):
    monkeypatch.setattr("segtutor.named.cost", lambda row: Cost(10**6, 5 * 10**5, 10**5, 7.5, 4.0))
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(MODELS)]] == list(MODELS)
    row = next(line for line in lines if line.startswith("segmenter-mask-base-8"))
    assert re.search(r"1\.00M +0\.50M +0\.10M +0\.77M +7\.5 +512 +4 +- +ADE20K", row)
    assert main(["models", "--backbones"]) == 0
    assert "setr-vit-large" in capsys.readouterr().out
    assert main(["models", "vgg"]) == 2


def test_backbones_are_what_timm_has(timm):
    assert {row.backbone for row in MODELS.values()} <= set(BACKBONES)
    known = set(timm.list_pretrained())
    for name, backbone in BACKBONES.items():
        assert backbone.state in ("exact", "nearest", "gone"), name
        assert (backbone.timm in known) if backbone.timm else backbone.state == "gone", name
        assert backbone.note or backbone.state == "exact", name
    assert BACKBONES["setr-vit-large"].state == "nearest"
    assert not any(tag.startswith("vit_large_patch16_384.orig") for tag in known)
    assert not any(re.match(r"vit_large_patch32_384\.augreg", tag) for tag in known)
    assert not any(tag.startswith("vit_base_patch8_384") for tag in known)
