"""Encoder + decoder = a segmentation model, and the models of both papers by name.

Implements  : SETR figure 1; Segmenter figure 2
Taught in   : chapter 00 uses one, chapters 05-09 build them
Official    : Segmenter pads right and bottom with zeros *after* normalisation, and crops after
              upsampling; so do we, for every model. SETR's code takes only the square it was built
              for.

Every model has two methods: `coarse`, what the network computes, and `forward`, the same at pixel
resolution. Loss, prediction and evaluation use `coarse` (see upsampling.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.decoders import LinearDecoder, NaiveDecoder
from segtutor.tokens import Encoder, build_encoder
from segtutor.upsampling import Coarse, Size, predict_from_coarse, upsample


class SegmentationModel(nn.Module):
    """encoder: images -> Encoded. decoder: Encoded -> (B, K, h, w). auxiliary: more decoders, used
    in training.

    forward: (B, 3, H, W) normalised images of any size from one patch up -> (B, K, H, W) logits.
    """

    align_corners = False  # of the last jump, in both papers

    def __init__(self, encoder: Encoder, decoder: nn.Module, auxiliary: list[nn.Module] = ()):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.auxiliary = nn.ModuleList(auxiliary)
        self.config: ModelConfig | None = None  # set by `build`, saved beside the weights

    @property
    def multiple_of(self) -> int:
        """Both sides of the image are padded up to a multiple of this."""
        return self.encoder.patch

    def coarse(self, images: Tensor, aux: bool | None = None) -> Coarse:
        """What the network computes: class scores on the patch grid.

        images: (B, 3, H, W). aux: run the auxiliary heads too; None means "as in training mode".
        """
        aux = self.training if aux is None else aux
        padded = pad_to_multiple(images, self.multiple_of)  # (B, 3, H', W')
        heads = [self.decoder, *(self.auxiliary if aux else ())]
        encoded = self.encoder(padded, layers=[i for head in heads for i in head.layers])
        scores, *others = [head(encoded) for head in heads]  # each (B, K, h_i, w_i)
        return Coarse(scores, tuple(others), tuple(padded.shape[-2:]), self.align_corners)

    def forward(self, images: Tensor) -> Tensor:
        return upsample(self.coarse(images, aux=False), tuple(images.shape[-2:]))  # (B, K, H, W)

    def predict(self, images: Tensor) -> Tensor:
        """Class of every pixel, (B, H, W): what `forward(images).argmax(1)` gives, with less
        memory.
        """
        return predict_from_coarse(self.coarse(images, aux=False), tuple(images.shape[-2:]))


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Pad right and bottom with zeros to multiples: (B, C, H, W) -> (B, C, H', W')."""
    if images.ndim != 4:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, expected (B, 3, H, W): "
            "add the batch axis with images[None]"
        )
    H, W = images.shape[-2:]
    if min(H, W) < multiple:
        raise ValueError(
            f"the image is {H}x{W} pixels, smaller than one patch of {multiple}x{multiple}: "
            "use a larger image or a model with smaller patches"
        )
    return F.pad(images, (0, -W % multiple, 0, -H % multiple))


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a model again; saved as JSON beside its weights.

    family: "segmenter" or "setr". decoder: "linear" (segmenter) or "naive" (setr). classes: K.
    size: a name of `tokens.SIZES` or (width, depth, heads). patch: P. image: (H, W) the positions
    are stored for. extra_tokens, norm_eps, dropout, drop_path, mode: see `Encoder`. normalisation:
    key of data.transforms.NORMALISATIONS, what the input pixels went through. aux_layers: blocks
    read by auxiliary heads (setr only).
    """

    family: str
    decoder: str
    classes: int
    size: str | tuple[int, int, int] = "tiny"
    patch: int = 16
    image: Size = (512, 512)
    extra_tokens: tuple[str, ...] = ("cls",)
    norm_eps: float = 1e-6
    dropout: float = 0.0
    drop_path: float = 0.1
    mode: str = "bilinear"
    normalisation: str = "half"
    aux_layers: tuple[int, ...] = ()

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


def build(config: ModelConfig) -> SegmentationModel:
    """A model with random weights from its configuration."""
    options = dict(
        patch=config.patch,
        image=config.image,
        extra_tokens=config.extra_tokens,
        norm_eps=config.norm_eps,
        dropout=config.dropout,
        drop_path=config.drop_path,
        mode=config.mode,
        final_norm=config.family == "segmenter",
    )
    if isinstance(config.size, str):
        encoder = build_encoder(config.size, **options)
    else:
        width, depth, heads = config.size
        encoder = Encoder(width=width, depth=depth, heads=heads, **options)
    width, classes = encoder.width, config.classes
    auxiliary = []
    match config.family, config.decoder:
        case "segmenter", "linear":
            decoder = LinearDecoder(width=width, classes=classes)
        case "setr", "naive":
            decoder = NaiveDecoder(width=width, classes=classes)
            auxiliary = [
                NaiveDecoder(width=width, classes=classes, layer=i) for i in config.aux_layers
            ]
        case family, decoder_name:
            raise ValueError(
                f"no model {family!r} with decoder {decoder_name!r}; "
                "there are ('segmenter', 'linear') and ('setr', 'naive')"
            )
    model = SegmentationModel(encoder, decoder, auxiliary)
    model.config = config
    return model


def segmenter_linear(
    classes: int, size: str | tuple[int, int, int] = "tiny", **options
) -> SegmentationModel:
    """Segmenter with the linear decoder (Seg-Ti/16, Seg-S/16, ...): paper section 3.2.

    options are fields of ModelConfig. Defaults follow the official training code: LayerNorm eps
    1e-5, drop path 0.1, inputs normalised with mean = std = 0.5.
    """
    options = {"norm_eps": 1e-5, **options}
    return build(ModelConfig("segmenter", "linear", classes, size, **options))


def setr_naive(
    classes: int, size: str | tuple[int, int, int] = "large", **options
) -> SegmentationModel:
    """SETR-Naive: paper section 3.3 (1). Defaults follow the official code: eps 1e-6, no drop
    path, ImageNet mean and std.
    """
    options = {"drop_path": 0.0, "normalisation": "imagenet", **options}
    return build(ModelConfig("setr", "naive", classes, size, **options))
