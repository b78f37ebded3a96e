"""Which of timm's weight files stands for which pretrained encoder of the papers.

Implements  : SETR section 4.1 "Pre-training"; Segmenter section 4.2 "ImageNet pre-training"
Taught in   : chapter 03, The encoder and its pretrained weights
Official    : both repositories name files that have moved since. `exact`: timm offers the same
              file. `nearest`: another training of the same shape. `gone`: nothing that the official
              code would have loaded.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    """timm: model name with its tag, "" if there is none. state: "exact", "nearest" or "gone".
    note: what differs.
    """

    timm: str
    state: str
    note: str = ""


AUGREG = "augreg_in21k_ft_in1k"
# Our name, or the official key -> timm, checked against timm 1.0.31.
BACKBONES = {
    "vit_tiny_patch16_384": Backbone(f"vit_tiny_patch16_384.{AUGREG}", "exact"),
    "vit_small_patch16_384": Backbone(f"vit_small_patch16_384.{AUGREG}", "exact"),
    "vit_small_patch32_384": Backbone(f"vit_small_patch32_384.{AUGREG}", "exact"),
    "vit_base_patch16_384": Backbone(f"vit_base_patch16_384.{AUGREG}", "exact"),
    "vit_base_patch32_384": Backbone(f"vit_base_patch32_384.{AUGREG}", "exact"),
    "vit_large_patch16_384": Backbone(f"vit_large_patch16_384.{AUGREG}", "exact"),
    "vit_base_patch8_384": Backbone(
        f"vit_base_patch8_224.{AUGREG}",
        "nearest",
        "the authors' file is private; the paper says fine-tuned at 224, as this one is",
    ),
    "vit_large_patch32_384": Backbone(
        "",
        "gone",
        "in Segmenter's configuration, in no table; timm has an older L/32 without AugReg",
    ),
    "deit_tiny_distilled_patch16_224": Backbone("deit_tiny_distilled_patch16_224.fb_in1k", "exact"),
    "deit_small_distilled_patch16_224": Backbone(
        "deit_small_distilled_patch16_224.fb_in1k", "exact"
    ),
    "deit_base_distilled_patch16_224": Backbone("deit_base_distilled_patch16_224.fb_in1k", "exact"),
    "deit_base_distilled_patch16_384": Backbone("deit_base_distilled_patch16_384.fb_in1k", "exact"),
    "setr-vit-large": Backbone(
        f"vit_large_patch16_384.{AUGREG}",
        "nearest",
        "SETR took jx_vit_large_p16_384-b3be5167, trained without AugReg; timm dropped that file",
    ),
    "setr-vit-base": Backbone(
        "vit_base_patch16_384.orig_in21k_ft_in1k", "exact", "jx_vit_base_p16_384-83fb41ba"
    ),
    "setr-hybrid": Backbone(
        "resnet50.tv_in1k",
        "nearest",
        "the ResNet, trained on ImageNet-1k; the paper's from ImageNet-21k is published nowhere. "
        "The blocks behind it: setr-vit-base",
    ),
    "setr-deit-base": Backbone(
        "deit_base_distilled_patch16_384.fb_in1k",
        "exact",
        "SETR drops the distillation token and its position",
    ),
}


def backbone_table() -> str:
    """The table as text, one line each."""
    width = max(len(name) for name in BACKBONES)
    tag = max(len(backbone.timm) for backbone in BACKBONES.values())
    return "\n".join(
        f"{name:{width}}  {b.state:7}  {b.timm or '-':{tag}}  {b.note}".rstrip()
        for name, b in BACKBONES.items()
    )
