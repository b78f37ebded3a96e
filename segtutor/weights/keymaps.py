"""The names of both repositories' tensors, beside ours.

Implements  : the checkpoints of fudan-zvg/SETR and rstrudel/segmenter
Taught in   : chapter 03 (names as an interface); chapters 06-09 (each decoder)
Official    : SETR numbers its fused maps p2..p5 and the streams of its head head2..head5, shallow
              to deep; ours count from 0. SETR-MLA keeps norms and fusion in the backbone,
              Segmenter's mask transformer calls its class tokens `cls_emb`.

A pair (theirs, ours) maps every name that begins with it; the longest pair that fits wins. One list
serves both directions.
"""

from __future__ import annotations

from segtutor.config import ModelConfig
from segtutor.named import CONV_SEG_WIDTH, IMAGENET_CLASSES

Pairs = list[tuple[str, str]]

SEGMENTER: Pairs = [
    ("encoder.", "encoder."),
    ("decoder.head.", "decoder.head."),
    ("decoder.proj_dec.", "decoder.enter."),
    ("decoder.cls_emb", "decoder.classes"),
    ("decoder.blocks.", "decoder.blocks."),
    ("decoder.decoder_norm.", "decoder.norm."),
    ("decoder.proj_patch", "decoder.patch_matrix"),
    ("decoder.proj_classes", "decoder.class_matrix"),
    ("decoder.mask_norm.", "decoder.class_norm."),
]
DEAD = {  # part of the name -> why nothing reads the tensor
    "encoder.head.": "ImageNet classifier",
    "encoder.head_dist.": "ImageNet classifier of the distillation token",
    ".conv_seg.": "inherited by every head of SETR, never executed",
}
DEAD_MLA = {"backbone.cls_token": "dropped before the first block of SETR-MLA"}


def key_pairs(config: ModelConfig) -> Pairs:
    """All pairs (theirs, ours) of one model."""
    if config.family == "segmenter":
        return SEGMENTER
    if config.decoder == "mla":
        return [("backbone.", "encoder."), *_mla(config)]
    heads = [("decode_head", "decoder")]
    heads += [(f"auxiliary_head.{j}", f"auxiliary.{j}") for j in range(len(config.aux_layers))]
    pairs = [("backbone.", "encoder.")]
    for theirs, ours in heads:
        pairs.append((f"{theirs}.norm.", f"{ours}.norm."))
        if config.decoder == "naive":
            pairs.append((f"{theirs}.conv_0.", f"{ours}.mix."))
            pairs.append((f"{theirs}.syncbn_fc_0.", f"{ours}.bn."))
            pairs.append((f"{theirs}.conv_1.", f"{ours}.classify."))
            continue
        stages = 4 if ours == "decoder" else 1
        for i in range(stages):
            pairs.append((f"{theirs}.conv_{i}.", f"{ours}.stages.{i}.conv."))
            pairs.append((f"{theirs}.syncbn_fc_{i}.", f"{ours}.stages.{i}.bn."))
        pairs.append((f"{theirs}.conv_{stages}.", f"{ours}.classify."))
    return pairs


def _mla(config: ModelConfig) -> Pairs:
    pairs = [("decode_head.cls.", "decoder.classify.")]
    for i in range(len(config.taps) or 4):
        pairs.append((f"backbone.norm_{i}.", f"neck.norms.{i}."))
        sequences = {
            f"backbone.mla.mla_p{i + 2}_1x1.": (f"neck.reduce.{i}.",),
            f"backbone.mla.mla_p{i + 2}.": (f"neck.smooth.{i}.",),
            f"decode_head.mlahead.head{i + 2}.": tuple(
                f"decoder.streams.{i}.{stage}." for stage in range(2)
            ),
        }
        for theirs, stages in sequences.items():
            for j, ours in enumerate(stages):  # convolution, BatchNorm, ReLU: three places each
                pairs.append((f"{theirs}{3 * j}.", f"{ours}conv."))
                pairs.append((f"{theirs}{3 * j + 1}.", f"{ours}bn."))
    for j in range(len(config.aux_layers)):
        pairs.append((f"auxiliary_head.{j}.aux.", f"auxiliary.{j}.classify."))
    return pairs


def translate(name: str, pairs: Pairs) -> str | None:
    """The other side's name, or None where there is no place for it."""
    fitting = [pair for pair in pairs if name.startswith(pair[0])]
    if not fitting:
        return None
    theirs, ours = max(fitting, key=lambda pair: len(pair[0]))
    return ours + name[len(theirs) :]


def dead_reason(name: str, config: ModelConfig) -> str | None:
    """Why the official tensor of this name is read by nobody, or None if it is."""
    known = DEAD | DEAD_MLA if config.decoder == "mla" else DEAD
    return next((why for part, why in known.items() if part in name), None)


def dead_shapes(config: ModelConfig, width: int) -> dict[str, tuple[int, ...]]:
    """Dead tensors that the official code expects in a checkpoint, and their shapes."""
    if config.family == "segmenter":
        names = ["encoder.head", *(["encoder.head_dist"] if len(config.extra_tokens) == 2 else [])]
        shapes = {f"{name}.weight": (IMAGENET_CLASSES, width) for name in names}
        return shapes | {f"{name}.bias": (IMAGENET_CLASSES,) for name in names}
    heads = ["decode_head", *(f"auxiliary_head.{j}" for j in range(len(config.aux_layers)))]
    shapes = {f"{h}.conv_seg.weight": (config.classes, CONV_SEG_WIDTH, 1, 1) for h in heads}
    shapes |= {f"{h}.conv_seg.bias": (config.classes,) for h in heads}
    return shapes | ({"backbone.cls_token": (1, 1, width)} if config.decoder == "mla" else {})
