"""ImageNet weights into our encoder.

Implements  : SETR section 4.1 and Segmenter section 4.2: start from an image classifier, resize
              its positions
Taught in   : chapter 03, The encoder and its pretrained weights; chapter 04 for the position table
Official    : Segmenter loads AugReg ViT files and DeiT distilled files, keeps class and
              distillation tokens. SETR loads an older ViT-L file that timm no longer carries, and
              of DeiT drops the distillation token with its position. Both resize the table
              bilinearly to the crop's grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from segtutor import locations
from segtutor.tokens import Encoder, build_encoder, grid_of, resize_positions
from segtutor.weights.files import read_tensors


@dataclass(frozen=True)
class Pretrained:
    """One timm model: our size, patch, the (H, W) it was trained at, its extra tokens and input
    normalisation.
    """

    size: str
    patch: int
    image: tuple[int, int]
    extra_tokens: tuple[str, ...]
    normalisation: str


def _vit(size: str, patch: int) -> Pretrained:
    return Pretrained(size, patch, (384, 384), ("cls",), "half")


def _deit(size: str, side: int, extra: tuple[str, ...]) -> Pretrained:
    return Pretrained(size, 16, (side, side), extra, "imagenet")


# timm name (without the training tag after the dot) -> what it is.
PRETRAINED = {
    "vit_tiny_patch16_384": _vit("tiny", 16),
    "vit_small_patch16_384": _vit("small", 16),
    "vit_small_patch32_384": _vit("small", 32),
    "vit_base_patch16_384": _vit("base", 16),
    "vit_base_patch32_384": _vit("base", 32),
    "vit_base_patch8_224": Pretrained("base", 8, (224, 224), ("cls",), "half"),
    "vit_large_patch16_384": _vit("large", 16),
    "vit_large_patch16_224": Pretrained("large", 16, (224, 224), ("cls",), "half"),
    "deit_tiny_patch16_224": _deit("tiny", 224, ("cls",)),
    "deit_small_patch16_224": _deit("small", 224, ("cls",)),
    "deit_base_patch16_224": _deit("base", 224, ("cls",)),
    "deit_tiny_distilled_patch16_224": _deit("tiny", 224, ("cls", "dist")),
    "deit_small_distilled_patch16_224": _deit("small", 224, ("cls", "dist")),
    "deit_base_distilled_patch16_224": _deit("base", 224, ("cls", "dist")),
    "deit_base_distilled_patch16_384": _deit("base", 384, ("cls", "dist")),
}

CLASSIFIERS = ("head.", "head_dist.", "pre_logits.")  # of ImageNet's 1000 classes: no use here


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor. `loaded`: filled. `resized`: positions, old grid -> new grid.
    `unused`: left in the file on purpose, with the reason."""

    source: str
    loaded: tuple[str, ...]
    resized: str
    unused: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{self.source}: {len(self.loaded)} tensors loaded, none missing"]
        lines += [f"  pos_embed: {self.resized}"] if self.resized else []
        lines += [f"  left in the file: {name} ({why})" for name, why in self.unused.items()]
        return "\n".join(lines)


def spec_of(name: str) -> Pretrained:
    """The entry of PRETRAINED for a timm name, with or without its tag
    ("....augreg_in21k_ft_in1k").
    """
    base = name.split(".")[0]
    if base not in PRETRAINED:
        raise ValueError(f"unknown pretrained encoder {name!r}; known: {', '.join(PRETRAINED)}")
    return PRETRAINED[base]


def find_weights(name: str, data_root: str | Path | None = None) -> Path | None:
    """A local file `name/name.safetensors` (or .pth) under the data roots, or None. Never the
    network.
    """
    for suffix in (".safetensors", ".pth"):
        path = locations.find(f"{name}/{name}{suffix}", data_root)
        if path:
            return path
    return None


def load_encoder(
    encoder: Encoder,
    tensors: dict[str, Tensor],
    *,
    image: tuple[int, int],
    extra_tokens: tuple[str, ...],
    source: str = "the file",
) -> LoadReport:
    """Fill `encoder` with a timm state dict; every tensor of both sides must find its place.

    image, extra_tokens: what the weights were trained with (grids are carried, never guessed from
    a square root). The position table is resized to the encoder's grid. Left in the file, and
    reported: the classifier; class/distillation tokens and positions that this encoder does not
    have; the last norm where this encoder has none. Raises ValueError naming the first tensor that
    is missing or of another shape, with both shapes.
    """
    tensors = dict(tensors)
    unused: dict[str, str] = {}
    for key in [k for k in tensors if k.startswith(CLASSIFIERS)]:
        del tensors[key]
        unused[key] = "ImageNet classifier"
    if encoder.norm is None:
        for key in [k for k in tensors if k in ("norm.weight", "norm.bias")]:
            del tensors[key]
            unused[key] = "the decoder brings its own norm"
    table = tensors.get("pos_embed")
    resized = ""
    if table is not None and table.shape[-1] == encoder.width:
        keep = []
        for row, token in enumerate(extra_tokens):
            if token in encoder.extra_tokens:
                keep.append(row)
            else:
                tensors.pop(f"{token}_token", None)
                unused[f"{token}_token"] = "this encoder has no such token"
                unused[f"pos_embed[:, {row}]"] = f"position of the {token} token"
        old, new = grid_of(*image, encoder.patch), encoder.pos_embed.grid
        rows = keep + list(range(len(extra_tokens), table.shape[1]))
        mode = encoder.pos_embed.mode
        table = resize_positions(table[:, rows], old, new, extra=len(keep), mode=mode)
        tensors["pos_embed"] = table
        resized = "" if old == new else f"{old[0]}x{old[1]} -> {new[0]}x{new[1]} grid, {mode}"
    own = encoder.state_dict()
    for key, tensor in own.items():
        if key not in tensors:
            raise ValueError(
                f"{source} has no tensor {key!r} of shape {tuple(tensor.shape)}: another variant?"
            )
        if tensors[key].shape != tensor.shape:
            raise ValueError(
                f"{source} belongs to another variant: the first tensor that differs is {key!r}, "
                f"{tuple(tensors[key].shape)} in the file, {tuple(tensor.shape)} in this encoder"
            )
    left = sorted(tensors.keys() - own.keys())
    if left:
        raise ValueError(
            f"{source} holds tensors this encoder has no place for: {left[:5]} ({len(left)} in all)"
        )
    encoder.load_state_dict(tensors)
    return LoadReport(source, tuple(own), resized, unused)


def load_pretrained(
    encoder: Encoder, name: str, *, data_root: str | Path | None = None, download: bool = True
) -> LoadReport:
    """Fill an encoder with the weights of a timm model, from a local folder if they are there,
    else by download.

    Raises FileNotFoundError, saying where it looked, when there is neither a local file nor a
    network.
    """
    spec = spec_of(name)
    path = find_weights(name.split(".")[0], data_root)
    if path:
        tensors, source = read_tensors(path), path.name
    elif download:
        tensors, source = _download(name), f"timm {name}"
    else:
        locations.require(f"{name}/{name}.safetensors", f"the weights of {name}", data_root)
    image, extra = spec.image, spec.extra_tokens
    return load_encoder(encoder, tensors, image=image, extra_tokens=extra, source=source)


def pretrained_encoder(
    name: str,
    *,
    image: tuple[int, int] | None = None,
    data_root: str | Path | None = None,
    download: bool = True,
    **options,
) -> tuple[Encoder, LoadReport]:
    """An encoder of the right size for a timm name, filled. image: (H, W) to store positions for
    (default: as trained).

    options are those of `Encoder` (extra_tokens, final_norm, drop_path, ...).
    """
    spec = spec_of(name)
    defaults = dict(patch=spec.patch, image=image or spec.image, extra_tokens=spec.extra_tokens)
    encoder = build_encoder(spec.size, **{**defaults, **options})
    return encoder, load_pretrained(encoder, name, data_root=data_root, download=download)


def _download(name: str) -> dict[str, Tensor]:
    import timm

    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # no network, unknown tag, hub down: the remedy is the same
        base = name.split(".")[0]
        roots = ", ".join(str(root / base) for root in locations.data_roots())
        raise FileNotFoundError(
            f"the weights of {name} are not on this machine (looked in {roots}) and could not be "
            f"downloaded ({type(error).__name__}). Put {base}.safetensors into one of these "
            "folders, or start from random weights"
        ) from error
