"""What a model is made of, as plain data.

Taught in   : chapter 00 (a model is saved with it); chapters 05-10 vary one entry at a time

`models.build` makes a model from it; `weights.files` keeps it beside the weights. It imports
nothing, so every room may use it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a model again; saved as JSON beside its weights.

    family, decoder: "segmenter" with "linear" or "mask", "setr" with "naive", "pup" or "mla".
    classes: K. size: a name of `tokens.SIZES` or (width, depth, heads). patch: P. image: (H, W) the
    positions are stored for. extra_tokens, norm_eps, dropout, drop_path, mode: see `Encoder`.
    normalisation: key of data.transforms.NORMALISATIONS, what the input pixels went through.

    aux_layers: blocks read by auxiliary heads; for mla, numbers of fused maps. taps: blocks that
    mla reads, () for four equal parts. hidden: channels of naive, pup and mla's fused maps.
    head_hidden: channels of mla's streams. decoder_*, class_norm: see `MaskTransformer`.
    head_width: channels that the decoders expect, if that is not the encoder's width (one official
    configuration is broken in this way). backbone: "" cuts the image into patches; a ResNet of timm
    makes the tokens of SETR-Hybrid (`HybridEncoder`), whatever `patch` says.
    """

    family: str
    decoder: str
    classes: int
    size: str | tuple[int, int, int] = "tiny"
    patch: int = 16
    image: tuple[int, int] = (512, 512)
    extra_tokens: tuple[str, ...] = ("cls",)
    norm_eps: float = 1e-6
    dropout: float = 0.0
    drop_path: float = 0.1
    mode: str = "bilinear"
    normalisation: str = "half"
    aux_layers: tuple[int, ...] = ()
    taps: tuple[int, ...] = ()
    hidden: int = 256
    head_hidden: int = 128
    decoder_width: int | None = None
    decoder_depth: int = 2
    decoder_heads: int | None = None
    decoder_dropout: float = 0.1
    decoder_drop_path: float = 0.0
    class_norm: bool = True
    head_width: int | None = None
    backbone: str = ""

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> ModelConfig:
        """Read back what `to_dict` wrote (JSON turns tuples into lists)."""
        known = cls.__dataclass_fields__
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(
                f"model configuration has unknown entries {unknown}; known: {sorted(known)}"
            )
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
