"""Every published model at full size: names, shapes and parameter totals of the official modules.

Built on PyTorch's meta device, so that 320 million parameters take no memory.
"""

import json
import re

import pytest
import torch

from segtutor.named import MODELS
from segtutor.weights import from_official, to_official
from tests.conftest import ROOT


def lists(paper: str) -> dict[str, dict]:
    return json.loads((ROOT / "tests" / "goldens" / f"{paper}_state_dicts.json").read_text())


SEGMENTER, SETR = lists("segmenter"), lists("setr")
AUX = {  # configuration -> in_index of the auxiliary heads
    "Naive": (9, 14, 19),
    "Naive_Base": (2, 5, 8),
    "PUP": (9, 14, 19, 23),
    "PUP_DeiT": (4, 7, 9, 11),
    "MLA": (0, 1, 2, 3),
    "MLA_DeiT": (0, 1, 2, 3),
}


def meta(entry: dict) -> dict[str, torch.Tensor]:
    whole = {"num_batches_tracked": torch.int64}
    return {
        name: torch.empty(shape, device="meta", dtype=whole.get(name.split(".")[-1], torch.float32))
        for name, shape in entry["keys"].items()
    }


def there_and_back(entry: dict, variant: dict) -> torch.nn.Module:
    theirs = meta(entry)
    model = from_official(theirs, variant)
    model.dead_shapes = {}  # so that `to_official` makes them from what it knows of the papers
    back = to_official(model)
    assert {k: list(v.shape) for k, v in back.items()} == entry["keys"]
    assert {k: v.dtype for k, v in back.items()} == {k: v.dtype for k, v in theirs.items()}
    return model


def count(module: torch.nn.Module | None) -> int:
    return sum(p.numel() for p in module.parameters()) if module is not None else 0


@pytest.mark.parametrize("name", SEGMENTER)
def test_segmenter(name):
    entry = SEGMENTER[name]
    side, patch = int(re.search(r" (\d{3})", name)[1]), int(re.search(r"/(\d+)", name)[1])
    distilled = "dag" in name
    decoder = {"name": "mask_transformer" if "Mask" in name else "linear"}
    variant = dict(image_size=(side, side), patch_size=patch, distilled=distilled, decoder=decoder)
    model = there_and_back(entry, {**variant, "backbone": "deit" if distilled else "vit"})
    assert count(model.encoder) == entry["params_encoder"] - entry["params_unused_cls_heads"]
    assert count(model.decoder) == entry["params_decoder"]
    assert count(model) + entry["params_unused_cls_heads"] == entry["params_total"]
    assert model.config.decoder_depth == (1 if "1 dec layer" in name else 2)


@pytest.mark.parametrize("name", SETR)
def test_setr(name):
    entry = SETR[name]
    kind, size, side = re.match(r"SETR_([A-Za-z]+?)(_Base|_DeiT)?_(\d+)x", name).groups()
    kind += size or ""
    head = {"in_index": 11 if size else 23}
    auxiliary = [{"in_index": i} for i in AUX[kind]]
    variant = dict(backbone={"img_size": int(side)}, decode_head=head, auxiliary_head=auxiliary)
    if "MLA" in kind:
        variant["decode_head"] = {}
    model = there_and_back(entry, variant)
    mla = 2 * model.encoder.width if "MLA" in kind else 0  # class token and its position
    assert count(model.encoder) + count(model.neck) + mla == entry["params_backbone"]
    dead = entry["params_dead_conv_seg"]
    assert count(model) + mla + dead == entry["params_total"]
    share = dead // (1 + len(auxiliary))
    assert count(model.decoder) + share == entry["params_decode"]
    assert count(model.auxiliary) + dead - share == entry["params_aux"]


@pytest.mark.parametrize(
    "ours,theirs",
    [
        ("segmenter-mask-tiny-16", "Seg-Ti-Mask/16 ADE 512"),
        ("segmenter-mask-small-16", "Seg-S-Mask/16 ADE 512"),
        ("segmenter-mask-base-16", "Seg-B-Mask/16 ADE 512"),
        ("segmenter-linear-base-8", "Seg-B/8 ADE 512"),
        ("segmenter-linear-base-16", "Seg-B/16 ADE 512"),
        ("segmenter-mask-large-16-640", "Seg-L-Mask/16 ADE 640"),
        ("segmenter-linear-large-16", "Seg-L/16 ADE 512"),
        ("segmenter-linear-base-deit-16", "Seg-Bdag/16 ADE 512"),
        ("segmenter-mask-base-deit-16", "Seg-Bdag-Mask/16 ADE 512"),
        ("setr-naive-large", "SETR_Naive_512x512_160k_ade20k_bs_16"),
        ("setr-pup-large", "SETR_PUP_512x512_160k_ade20k_bs_16"),
        ("setr-mla-large", "SETR_MLA_512x512_160k_ade20k_bs_16"),
        ("setr-naive-small", "SETR_Naive_Base_768x768_40k_cityscapes_bs_8"),
        ("setr-pup-deit-base", "SETR_PUP_DeiT_768x768_40k_cityscapes_bs_8"),
    ],
)
def test_named_models_are_the_published_ones(ours, theirs):
    from segtutor.models import build

    entry = {**SEGMENTER, **SETR}[theirs]
    row = MODELS[ours]
    with torch.device("meta"):
        model = build(row.config)
    assert {k: list(v.shape) for k, v in to_official(model).items()} == entry["keys"]
    assert count(model) + row.unused == entry["params_total"]


def test_the_official_configuration_that_cannot_run_is_reported():
    """PUP-DeiT on ADE20K: heads for 1024 channels on an encoder of 768."""
    from segtutor.weights import read_official

    entry = SETR["SETR_PUP_DeiT_512x512_160k_ade20k_bs_16"]
    auxiliary = [{"in_index": i} for i in AUX["PUP_DeiT"]]
    variant = dict(backbone={"img_size": 512}, decode_head={}, auxiliary_head=auxiliary)
    model, report = read_official(meta(entry), variant)
    assert "heads are built for 1024 channels, the encoder gives 768" in report.notes[0]
    with pytest.raises(RuntimeError, match="1024"):
        model(torch.empty(1, 3, 64, 64, device="meta"))
