"""Checkpoints of both official repositories into our models, and back.

Implements  : the published models of SETR (fudan-zvg/SETR) and Segmenter (rstrudel/segmenter)
Taught in   : chapter 03 (names as an interface); every decoder's chapter compares with it
Official    : both save tensors that no forward pass reads (classifiers, SETR's `conv_seg`, the
              class token of SETR-MLA). They are left out and listed on the way in, and written as
              zeros on the way back, so that the official code loads strictly. Everything else is
              used exactly once, or an error names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from segtutor.config import ModelConfig
from segtutor.models import SegmentationModel, build
from segtutor.weights.files import save_model
from segtutor.weights.geometry import configuration
from segtutor.weights.keymaps import dead_reason, dead_shapes, key_pairs, translate
from segtutor.weights.safely import read_checkpoint, tensors_in
from segtutor.weights.variants import parse_config, read_variant


@dataclass(frozen=True)
class OfficialReport:
    """What became of a checkpoint. used: tensors that found their one place. dead: name -> why
    nothing reads it. notes: what else is worth knowing.
    """

    kind: str
    used: int
    dead: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.kind}: {self.used} tensors used, each once; {len(self.dead)} are dead"]
        lines += [f"  dead: {name} ({why})" for name, why in self.dead.items()]
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


def from_official(state_dict: dict, variant: dict) -> SegmentationModel:
    """An official checkpoint as one of our models, in evaluation mode.

    state_dict: tensors by official name, also wrapped ({"model": ...}, {"state_dict": ...}) or with
    "module." before each name. variant: Segmenter's `net_kwargs` (or the whole variant.yml), or the
    `model` dictionary of a SETR configuration (or the whole configuration). Decoder and paper are
    recognised from the names, widths from the tensors. Raises ValueError naming the first tensor or
    setting that does not fit, with what was seen and what was expected.
    """
    return read_official(state_dict, variant)[0]


def read_official(state_dict: dict, variant: dict) -> tuple[SegmentationModel, OfficialReport]:
    """`from_official`, and the report of what was used, dead and changed."""
    theirs = tensors_in(state_dict)
    config, notes = configuration(theirs, variant)
    with torch.device("meta"):
        model = build(config).eval()
    dead = {k: why for k in theirs if (why := dead_reason(k, config))}
    ours, names = _translated(theirs, config, dead)
    if config.decoder == "mla" and "encoder.pos_embed" in ours:
        ours["encoder.pos_embed"] = ours["encoder.pos_embed"][:, 1:]
        dead["backbone.pos_embed[:, 0]"] = "position of the class token, which has none here"
    _check(model.state_dict(), ours, names, config)
    if any(t.is_floating_point() and t.dtype != torch.float32 for t in ours.values()):
        notes.append("tensors of another precision were converted to float32")
    model.load_state_dict({k: _float32(t) for k, t in ours.items()}, assign=True)
    model.dead_shapes = {k: tuple(theirs[k].shape) for k in dead if k in theirs}
    kind = f"{config.family} with decoder {config.decoder}"
    return model, OfficialReport(kind, len(ours), dead, notes)


def convert(
    checkpoint: str | Path, out: str | Path, config: str | Path | None = None
) -> OfficialReport:
    """An official .pth file into one of ours (`load_model` reads it). No code of it is run.

    config: variant.yml, a .json, or a SETR configuration (.py, parsed, not executed). If None: a
    variant.yml beside the checkpoint, or the configuration that mmcv keeps inside it.
    """
    content = read_checkpoint(checkpoint)
    beside = Path(checkpoint).with_name("variant.yml")
    inside = content.get("meta") if isinstance(content.get("meta"), dict) else {}
    if config is not None:
        variant = read_variant(config)
    elif beside.is_file():
        variant = read_variant(beside)
    elif isinstance(inside.get("config"), str):
        variant = parse_config(inside["config"])
    else:
        raise ValueError(
            f"no configuration: neither {beside} nor one inside {checkpoint}. Name the variant.yml "
            "or the SETR configuration with --config"
        )
    model, report = read_official(content, variant)
    save_model(model, out)
    return report


def to_official(model: SegmentationModel) -> dict[str, Tensor]:
    """A state dict that the official code loads strictly: their names, dead tensors as zeros.

    Dead tensors have the shapes of the checkpoint that the model came from, else those the official
    code makes (1000 ImageNet classes, 512 channels of conv_seg). Raises ValueError for a model that
    no official configuration describes.
    """
    config = _describable(model)
    back = [(ours, theirs) for theirs, ours in key_pairs(config)]
    tensors = {}
    for name, tensor in model.state_dict().items():
        their_name = translate(name, back)
        if their_name is None:
            raise ValueError(f"{name!r} has no place in an official checkpoint")
        tensors[their_name] = tensor.detach().clone()
    like = next(iter(tensors.values()))
    shapes = model.dead_shapes or dead_shapes(config, model.encoder.width)
    for name, shape in shapes.items():
        tensors[name] = torch.zeros(shape, device=like.device)
    if config.decoder == "mla":
        table = tensors["backbone.pos_embed"]
        first = torch.zeros_like(table[:, :1])
        tensors["backbone.pos_embed"] = torch.cat([first, table], dim=1)  # (1, 1 + N, D)
    return tensors


def _translated(
    theirs: dict[str, Tensor], config: ModelConfig, dead: dict[str, str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Living tensors under our names, and our name -> theirs for messages."""
    pairs, ours, names = key_pairs(config), {}, {}
    for name, tensor in theirs.items():
        if name in dead:
            continue
        own = translate(name, pairs) or f"(no place) {name}"
        if own in ours:
            raise ValueError(f"{name!r} and {names[own]!r} both stand for {own!r}")
        ours[own], names[own] = tensor, name
    return ours, names


def _check(wanted: dict, ours: dict, names: dict[str, str], config: ModelConfig) -> None:
    """Every tensor has a place of its shape and every place its tensor, or an official name is
    named.
    """
    kind = f"{config.family} with decoder {config.decoder}"
    back = [(own, theirs) for theirs, own in key_pairs(config)]
    missing = [translate(name, back) for name in wanted if name not in ours]
    extra = [names[name] for name in ours if name not in wanted]
    if missing or extra:
        raise ValueError(
            f"this checkpoint is not a whole {kind}: {len(missing)} tensors are missing "
            f"(first: {missing[:1]}), {len(extra)} have no place (first: {extra[:1]}). "
            "Does the configuration belong to it?"
        )
    for name, tensor in wanted.items():
        if ours[name].shape != tensor.shape:
            one = config.decoder == "mla" and name == "encoder.pos_embed"  # its first row is dead
            seen, due = (list(t.shape) for t in (ours[name], tensor))
            seen, due = ([s[0], s[1] + one, *s[2:]] if one else s for s in (seen, due))
            raise ValueError(
                f"the checkpoint belongs to another variant of {kind}: the first tensor that "
                f"differs is {names[name]!r}, {tuple(seen)} in the checkpoint, {tuple(due)} by its "
                "configuration"
            )


def _float32(tensor: Tensor) -> Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to(dtype, copy=True).contiguous()


def _describable(model: SegmentationModel) -> ModelConfig:
    config = model.config
    if config is None:
        raise ValueError("this model has no configuration; make it with segtutor.models.build")
    if config.backbone:
        raise ValueError("SETR-Hybrid has no official code, so no official checkpoint either")
    tokens = {"segmenter": (("cls",), ("cls", "dist")), "setr": (("cls",),)}
    allowed = ((),) if config.decoder == "mla" else tokens.get(config.family, ())
    if tuple(config.extra_tokens) not in allowed:
        raise ValueError(
            f"extra_tokens is {config.extra_tokens}, official {config.family}-{config.decoder} has "
            f"{' or '.join(map(str, allowed)) or 'no code'}"
        )
    if config.decoder == "mask" and not config.class_norm:
        raise ValueError(
            "official mask transformers have a class norm; this model was built without"
        )
    if config.family == "setr" and config.image[0] != config.image[1]:
        raise ValueError(f"official SETR is square, this model's positions are for {config.image}")
    return config
