"""Every model of both papers by name, in one table, with its size, cost and published result.

Implements  : SETR tables 1 and 2; Segmenter tables 1, 3 and 4
Taught in   : chapter 10, Patch size, capacity and regularisation, compares them
Official    : SETR's "T-Small" is its repository's "Base" and the ViT-Base of everyone else; it is
              called `small` here as in the paper. DeiT models of SETR exist in the repository only.
              Segmenter/16 means patches of 16. Both repositories ship heads that are never used;
              the column `unused` counts them.

`segtutor models` prints the table. All numbers but the published ones are computed from the model
itself, on PyTorch's meta device: shapes without values, so the largest takes no memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from segtutor.config import ModelConfig
from segtutor.decoders import AUX_LAYERS
from segtutor.models import SegmentationModel, build
from segtutor.tokens import SIZES

DATA = {  # name -> classes K, side of the square crop. SETR section 4.1, Segmenter section 4.2
    "ADE20K": (150, 512),
    "Pascal Context": (60, 480),
    "Cityscapes": (19, 768),
}
IMAGENET_CLASSES = 1000  # of the classifiers that Segmenter's checkpoints carry along
CONV_SEG_WIDTH = 512  # of the convolution that every SETR head inherits and never runs


@dataclass(frozen=True)
class NamedModel:
    """One row. backbone: key of weights.BACKBONES. data: the set that `miou` (percent, single
    scale, on its validation images) and the crop belong to. source: where miou is printed.
    recipe: the training that gave it, a name of training.published.RUNS.
    """

    name: str
    config: ModelConfig
    backbone: str
    data: str
    miou: float | None
    source: str
    recipe: str

    @property
    def unused(self) -> int:
        """Parameters of the official checkpoint that no forward pass reads."""
        c = self.config
        width = SIZES[c.size][0]
        if c.backbone:  # SETR-Hybrid: there is no official checkpoint
            return 0
        if c.family == "segmenter":  # one ImageNet classifier per extra token
            return len(c.extra_tokens) * IMAGENET_CLASSES * (width + 1)
        conv_seg = (1 + len(c.aux_layers)) * c.classes * (CONV_SEG_WIDTH + 1)
        return conv_seg + (2 * width if c.decoder == "mla" else 0)  # class token and its position


# decoder, encoder, backbone, data, steps / 1000, mIoU, source. Sizes: the paper's names.
SETR = (
    ("naive", "small", "setr-vit-base", "Cityscapes", 80, 76.25, "table 1d"),
    ("pup", "small", "setr-vit-base", "Cityscapes", 80, 78.02, "table 1d"),
    ("mla", "small", "setr-vit-base", "Cityscapes", 80, 76.87, "table 1d"),
    ("naive", "large", "setr-vit-large", "ADE20K", 160, 48.18, "table 1e"),
    ("pup", "large", "setr-vit-large", "ADE20K", 160, 48.58, "table 1e"),
    ("mla", "large", "setr-vit-large", "ADE20K", 160, 48.64, "table 1e"),
    ("naive", "deit-base", "setr-deit-base", "Cityscapes", 80, 78.66, "repository"),
    ("pup", "deit-base", "setr-deit-base", "Cityscapes", 80, 79.45, "repository"),
    ("mla", "deit-base", "setr-deit-base", "Cityscapes", 80, 78.98, "repository"),
)
# encoder, patch, backbone, mIoU with the linear decoder (Segmenter table 3), mIoU with the mask
# transformer (table 4; * the repository's; None: published nowhere). All on ADE20K, crop 512.
SEGMENTER = (
    ("tiny", 16, "vit_tiny_patch16_384", 39.03, "38.1*"),
    ("small", 32, "vit_small_patch32_384", 40.64, None),
    ("small", 16, "vit_small_patch16_384", 45.37, "45.3*"),
    ("base", 32, "vit_base_patch32_384", 43.07, 44.19),
    ("base", 16, "vit_base_patch16_384", 48.06, 48.48),
    ("base", 8, "vit_base_patch8_384", 49.54, None),
    ("base-deit", 16, "deit_base_distilled_patch16_384", 47.08, 48.70),
    ("large", 16, "vit_large_patch16_384", 50.71, 51.30),
)
SETR_SIZES = {"small": "base", "large": "large", "deit-base": "base"}
HYBRID = ("naive", "small", "setr-hybrid", "Cityscapes", 80, 77.61, "table 1d")  # 21k-21k


def _setr(decoder, size, backbone, data, steps, miou, source) -> NamedModel:
    classes, side = DATA[data]
    encoder = SETR_SIZES[size]
    config = ModelConfig(
        family="setr",
        decoder=decoder,
        classes=classes,
        size=encoder,
        image=(side, side),
        extra_tokens=() if decoder == "mla" else ("cls",),
        drop_path=0.0,
        normalisation="imagenet",
        aux_layers=AUX_LAYERS[decoder, SIZES[encoder][1]],
    )
    name = f"setr-{decoder}-{size}"
    recipe = f"{data.lower()}-{name}-{steps}k"
    return NamedModel(name, config, backbone, data, miou, source, recipe)


def _segmenter(decoder, size, patch, backbone, miou, source, side=512) -> NamedModel:
    deit = size.endswith("-deit")
    config = ModelConfig(
        family="segmenter",
        decoder=decoder,
        classes=150,
        size=size.removesuffix("-deit"),
        patch=patch,
        image=(side, side),
        extra_tokens=("cls", "dist") if deit else ("cls",),
        norm_eps=1e-5,
        normalisation="imagenet" if deit else "half",
    )
    name = f"segmenter-{decoder}-{size}-{patch}" + (f"-{side}" if side != 512 else "")
    return NamedModel(name, config, backbone, "ADE20K", miou, source, f"ade20k-{name}")


def _table() -> dict[str, NamedModel]:
    rows = [_setr(*row) for row in SETR]
    row = _setr(*HYBRID)
    config = replace(row.config, backbone="resnet50")
    recipe = "cityscapes-setr-hybrid-80k-in21k-in21k"
    rows.append(replace(row, name=row.backbone, config=config, recipe=recipe))
    for size, patch, backbone, linear, _ in SEGMENTER:
        rows.append(_segmenter("linear", size, patch, backbone, linear, "table 3"))
    for size, patch, backbone, _, mask in SEGMENTER:
        source = "" if mask is None else "repository" if isinstance(mask, str) else "table 4"
        miou = float(mask.rstrip("*")) if isinstance(mask, str) else mask
        rows.append(_segmenter("mask", size, patch, backbone, miou, source))
    large = ("large", 16, "vit_large_patch16_384")
    rows.append(_segmenter("mask", *large, 51.82, "table 6", side=640))
    return {row.name: row for row in rows}


MODELS = _table()


def named_model(name: str, **changes) -> SegmentationModel:
    """A model of the table with random weights. changes: fields of ModelConfig to replace, such as
    `classes=11`. Raises ValueError with the known names.
    """
    if name not in MODELS:
        raise ValueError(f"no model named {name!r}; there are {', '.join(MODELS)}")
    return build(replace(MODELS[name].config, **changes))


@dataclass(frozen=True)
class Cost:
    """parameters of the whole model (without what is unused), of encoder and of decoder (neck and
    auxiliary heads included); GFLOPs of one image of the crop's size; MB of float32 weights.
    """

    total: int
    encoder: int
    decoder: int
    gflops: float
    megabytes: float


def cost(row: NamedModel) -> Cost:
    """Measured on the meta device. FLOPs: two per multiplication-and-addition, matrix products and
    convolutions only, without auxiliary heads (many papers count half of that, one per pair).
    """
    from torch.utils.flop_counter import FlopCounterMode  # half a second, only here

    with torch.device("meta"):
        model = build(row.config).eval()
        images = torch.empty(1, 3, *row.config.image)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.coarse(images)
    total = sum(p.numel() for p in model.parameters())
    encoder = sum(p.numel() for p in model.encoder.parameters())
    weights = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    flops = counter.get_total_flops()
    return Cost(total, encoder, total - encoder, flops / 1e9, weights / 1e6)


def table(pattern: str = "") -> str:
    """All models whose name contains `pattern`, one line each, as text."""
    rows = [row for row in MODELS.values() if pattern in row.name]
    if not rows:
        raise ValueError(f"no model's name contains {pattern!r}; there are {', '.join(MODELS)}")
    head = ("name", "parameters", "encoder", "decoder", "unused", "GFLOPs", "crop", "MB")
    lines = [(*head, "mIoU", "on", "printed in", "recipe")]
    for row in rows:
        c = cost(row)
        millions = [f"{n / 1e6:.2f}M" for n in (c.total, c.encoder, c.decoder, row.unused)]
        size = f"{c.gflops:.1f}", str(row.config.image[0]), f"{c.megabytes:.0f}"
        miou = f"{row.miou:.2f}" if row.miou is not None else "-"
        lines.append((row.name, *millions, *size, miou, row.data, row.source or "-", row.recipe))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    words = [0, *range(9, len(widths))]  # columns of text stand left, numbers right
    text = [
        "  ".join(
            cell.ljust(w) if i in words else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    notes = (
        "parameters: what is computed with, auxiliary heads included; unused: in official "
        "checkpoints besides",
        "GFLOPs: one image of crop x crop, two per multiply-add, without auxiliary heads",
        "mIoU: single scale, validation set",
    )
    return "\n".join([*text, "", *notes])
