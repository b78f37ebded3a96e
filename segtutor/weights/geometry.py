"""From an official checkpoint and its configuration to our ModelConfig.

Implements  : Segmenter's variant.yml (`net_kwargs`), SETR's `model` dictionary
Taught in   : chapter 03
Official    : numbers that the configuration states are taken from it, so that a tensor of
              another shape is found and named; what it leaves out, or states without effect
              (SETR's `in_channels=1024` on any width, the hard-coded 256), is read from the
              tensors. How many heads attention has shows in no tensor.
"""

from __future__ import annotations

import re
from statistics import mode as most_common

from torch import Tensor

from segtutor.config import ModelConfig
from segtutor.decoders import mla_layers

NORMALISATIONS = {"vit": "half", "deit": "imagenet"}  # Segmenter's words -> ours


def family_of(tensors: dict[str, Tensor]) -> tuple[str, str]:
    """(family, decoder) of official names. Raises ValueError when they are of neither paper."""
    starts = {name.split(".")[0] for name in tensors}
    if {"backbone", "decode_head"} <= starts:
        if any(name.startswith(("backbone.mla.", "decode_head.mlahead.")) for name in tensors):
            return "setr", "mla"
        later = ("decode_head.conv_2.", "decode_head.conv_3.", "decode_head.conv_4.")
        return "setr", "pup" if any(name.startswith(later) for name in tensors) else "naive"
    if {"encoder", "decoder"} <= starts:
        linear = any(name.startswith("decoder.head.") for name in tensors)
        return "segmenter", "linear" if linear else "mask"
    raise ValueError(
        "these tensors are of neither repository: expected names that begin with 'encoder.' and "
        "'decoder.' (Segmenter) or 'backbone.' and 'decode_head.' (SETR), "
        f"found {sorted(starts)[:6]}"
    )


def configuration(tensors: dict[str, Tensor], variant: dict) -> tuple[ModelConfig, list[str]]:
    """ModelConfig, and notes for the report.

    variant: see `official.from_official`. Raises ValueError when it is of the other paper, or
    disagrees with the tensors about something that can be counted.
    """
    family, decoder = family_of(tensors)
    if not isinstance(variant, dict):
        raise ValueError(f"the configuration is a {type(variant).__name__}, expected a dictionary")
    settings = variant.get("net_kwargs", variant.get("model", variant))
    claimed = "setr" if "decode_head" in settings else "segmenter"
    if claimed != family:
        papers = {"setr": "SETR", "segmenter": "Segmenter"}
        raise ValueError(
            f"the checkpoint is of {papers[family]} (its first tensor is {next(iter(tensors))!r}), "
            f"the configuration of {papers[claimed]} (entries {sorted(settings)[:4]}): "
            "they belong to different papers"
        )
    return (_segmenter if family == "segmenter" else _setr)(tensors, settings, decoder)


def _segmenter(tensors: dict, net: dict, decoder: str) -> tuple[ModelConfig, list[str]]:
    head = net.get("decoder", {})
    head = {"name": head} if isinstance(head, str) else dict(head)
    names = {"linear": "linear", "mask_transformer": "mask"}
    said = head.get("name")
    if said is not None and names.get(said) != decoder:
        raise ValueError(
            f"the configuration says decoder {said!r}, but the checkpoint's tensors are of "
            f"Segmenter's {decoder} decoder"
        )
    kernel = "encoder.patch_embed.proj.weight"
    width = _stated(net, "d_model", *_sizes(tensors, kernel))
    extra = ("cls", "dist") if "encoder.dist_token" in tensors else ("cls",)
    if "distilled" in net and bool(net["distilled"]) != (len(extra) == 2):
        raise ValueError(
            f"the configuration says distilled: {net['distilled']}, but the checkpoint has "
            f"{'a' if len(extra) == 2 else 'no'} distillation token"
        )
    if decoder == "linear":
        seen = _sizes(tensors, "decoder.head.weight", "decoder.head.bias")
    else:
        seen = _sizes(tensors, "decoder.mask_norm.weight", "decoder.mask_norm.bias")
        seen += _sizes(tensors, "decoder.cls_emb", axis=1)
    deit = "deit" in str(net.get("backbone", ""))
    said = net.get("normalization", "deit" if deit else "vit")
    if said not in NORMALISATIONS:
        raise ValueError(f"normalization is {said!r}, expected one of {sorted(NORMALISATIONS)}")
    mask = {}
    if decoder == "mask":
        inside = ("proj_patch", "proj_classes", "proj_dec.bias", "decoder_norm.weight")
        d = most_common(_sizes(tensors, *(f"decoder.{name}" for name in inside)))
        mask = dict(
            decoder_width=d,
            decoder_depth=_stated(head, "n_layers", _blocks(tensors, "decoder.blocks.")),
            decoder_heads=_heads(head, "n_heads", d, "the mask transformer"),
            decoder_dropout=head.get("dropout", 0.1),
            decoder_drop_path=head.get("drop_path_rate", 0.0),
        )
    return _config(
        "segmenter",
        decoder,
        tensors,
        prefix="encoder.",
        classes=_classes(seen, net.get("n_cls"), "n_cls"),
        width=width,
        depth=_stated(net, "n_layers", _blocks(tensors, "encoder.blocks.")),
        heads=_heads(net, "n_heads", width, "the encoder"),
        patch=_stated(net, "patch_size", *_sizes(tensors, kernel, axis=3)),
        image=_image(net, "image_size"),
        extra_tokens=extra,
        norm_eps=1e-5,
        dropout=net.get("dropout", 0.0),
        drop_path=net.get("drop_path_rate", 0.0),
        normalisation=NORMALISATIONS[said],
        **mask,
    ), []


def _setr(tensors: dict, model: dict, decoder: str) -> tuple[ModelConfig, list[str]]:
    body, head = model.get("backbone", {}), model["decode_head"]
    others = model.get("auxiliary_head") or []
    others = [others] if isinstance(others, dict) else list(others)
    _supported(decoder, head, others)
    kernel = "backbone.patch_embed.proj.weight"
    width = _stated(body, "embed_dim", *_sizes(tensors, kernel))
    depth = _stated(body, "depth", _blocks(tensors, "backbone.blocks."))
    last = "cls" if decoder == "mla" else "conv_1" if decoder == "naive" else "conv_4"
    seen = _sizes(tensors, f"decode_head.{last}.weight", f"decode_head.{last}.bias")
    notes, widths = [], {}
    if decoder == "mla":
        first, stream = "backbone.mla.mla_p2_1x1.", "decode_head.mlahead.head2."
        hidden = _sizes(tensors, f"{first}0.weight", f"{first}1.weight", f"{first}1.bias")
        inner = _sizes(tensors, *(f"{stream}{part}.weight" for part in (0, 1, 3, 4)))
        taps = tuple(body.get("mla_index") or mla_layers(depth))
        if max(taps) >= depth:
            raise ValueError(f"mla_index is {taps}, but the encoder has blocks 0..{depth - 1}")
        widths = dict(head_hidden=most_common(inner), taps=taps)
    else:
        layer = head.get("in_index", depth - 1)
        if layer not in (depth - 1, -1):
            raise ValueError(
                f"decode_head.in_index is {layer}: the decoder reads the last block ({depth - 1})"
            )
        first = "decode_head.conv_0."
        hidden = _sizes(tensors, f"{first}weight", f"{first}bias", "decode_head.syncbn_fc_0.weight")
        expects = _sizes(tensors, "decode_head.norm.weight", "decode_head.norm.bias")
        expects += _sizes(tensors, f"{first}weight", axis=1)
        if len(set(expects)) == 1 and expects[0] != width:
            widths = dict(head_width=expects[0])
            notes.append(
                f"the heads are built for {expects[0]} channels, the encoder gives {width}: this "
                "official configuration cannot run, here or there"
            )
    count = len({m[1] for name in tensors if (m := re.match(r"auxiliary_head\.(\d+)\.", name))})
    if count != len(others):
        raise ValueError(
            f"the configuration has {len(others)} auxiliary heads, the checkpoint {count}"
        )
    said = head.get("num_classes")
    for j, other in enumerate(others):
        if other.get("num_classes", said) != said:
            raise ValueError(
                f"auxiliary_head.{j}.num_classes is {other['num_classes']}, decode_head's is {said}"
            )
    return _config(
        "setr",
        decoder,
        tensors,
        prefix="backbone.",
        classes=_classes(seen, said, "decode_head.num_classes"),
        width=width,
        depth=depth,
        heads=_heads(body, "num_heads", width, "the backbone"),
        patch=_stated(body, "patch_size", *_sizes(tensors, kernel, axis=3)),
        image=_image(body, "img_size"),
        extra_tokens=() if decoder == "mla" else ("cls",),
        norm_eps=1e-6,
        dropout=body.get("drop_rate", 0.0),
        drop_path=body.get("drop_path_rate", 0.0),
        normalisation="imagenet",
        aux_layers=tuple(other["in_index"] for other in others),
        hidden=most_common(hidden),
        **widths,
    ), notes


def _supported(decoder: str, head: dict, others: list[dict]) -> None:
    """Refuse settings that no published SETR uses, and that would change what is computed."""
    growing = {"naive": (1, 1), "pup": (4, 2), "mla": (None, None)}[decoder]
    parts = [("decode_head", head, growing[0])]
    parts += [(f"auxiliary_head.{j}", other, growing[1]) for j, other in enumerate(others)]
    for name, part, steps in parts:
        if part.get("align_corners", False):
            raise ValueError(f"{name}.align_corners is True; every published SETR has False")
        if part.get("upsampling_method", "bilinear") != "bilinear":
            raise ValueError(f"{name}.upsampling_method is not bilinear, as every SETR's is")
        if steps and part.get("num_upsampe_layer", steps) != steps:
            raise ValueError(
                f"{name}.num_upsampe_layer is {part['num_upsampe_layer']}, expected {steps} for "
                f"SETR with decoder {decoder}"
            )


def _config(family: str, decoder: str, tensors: dict, *, prefix: str, **fields) -> ModelConfig:
    """Put it together; refuse a position table of another grid."""
    width, depth, heads = (fields.pop(name) for name in ("width", "depth", "heads"))
    (H, W), P = fields["image"], fields["patch"]
    (rows,) = _sizes(tensors, f"{prefix}pos_embed", axis=1)
    extra = 1 if decoder == "mla" else len(fields["extra_tokens"])
    if H % P or W % P or rows != extra + (H // P) * (W // P):
        raise ValueError(
            f"{prefix}pos_embed has {rows} rows, but an image of {H}x{W} pixels in patches of {P} "
            f"and {extra} extra token(s) make {extra + (H // P) * (W // P)}: give the image size "
            "that the model was trained with"
        )
    return ModelConfig(family, decoder, size=(width, depth, heads), **fields)


def _sizes(tensors: dict[str, Tensor], *names: str, axis: int = 0) -> list[int]:
    """One side of each of these tensors."""
    for name in names:
        if name not in tensors:
            raise ValueError(f"this checkpoint is not whole: tensor {name!r} is missing")
        if tensors[name].ndim <= axis:
            raise ValueError(
                f"tensor {name!r} has shape {tuple(tensors[name].shape)}: too few axes"
            )
    return [tensors[name].shape[axis] for name in names]


def _blocks(tensors: dict, prefix: str) -> int:
    numbers = [int(n[len(prefix) :].split(".")[0]) for n in tensors if n.startswith(prefix)]
    return max(numbers, default=-1) + 1


def _stated(settings: dict, name: str, seen: int) -> int:
    """The configuration's number, or the tensors' where it has none."""
    value = settings.get(name)
    return seen if value is None else int(value)


def _heads(settings: dict, name: str, width: int, what: str) -> int:
    heads = settings.get(name) or width // 64
    if heads < 1 or width % heads:
        raise ValueError(
            f"{what} is {width} wide and has {heads} heads: give `{name}`, a divisor of the width"
        )
    return int(heads)


def _classes(seen: list[int], said: int | None, name: str) -> int:
    """K; an error where all tensors of the head agree on another number than the configuration."""
    if said is not None and len(set(seen)) == 1 and seen[0] != said:
        raise ValueError(
            f"{name} is {said}, but the checkpoint's head scores {seen[0]} classes: "
            "use the configuration it was trained with"
        )
    return most_common(seen) if said is None else int(said)


def _image(settings: dict, name: str) -> tuple[int, int]:
    value = settings.get(name)
    if value is None:
        raise ValueError(
            f"the configuration has no {name}: give the (H, W) of the training crop, since a grid "
            "cannot be told from the number of its cells"
        )
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))
