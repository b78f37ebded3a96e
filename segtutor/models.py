"""Encoder + decoder = a segmentation model, and the models of both papers by name.

Implements  : SETR figure 1; Segmenter figure 2
Taught in   : chapter 00 uses one, chapters 05-09 build them
Official    : Segmenter pads right and bottom with zeros *after* normalisation, and crops after
              upsampling; so do we, for every model. SETR's code takes only the square it was built
              for. SETR trains with BatchNorm synchronised over devices: `synchronise_batchnorm`.

Every model has two methods: `coarse`, what the network computes, and `forward`, the same at pixel
resolution. Loss, prediction and evaluation use `coarse` (see upsampling.py). What can be configured
stands in config.py; the models of both papers' tables, with their results, in named.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.config import ModelConfig
from segtutor.decoders import (
    LinearDecoder,
    MapAuxiliary,
    MaskTransformer,
    MLADecoder,
    MLAFusion,
    NaiveDecoder,
    PUPDecoder,
    mla_layers,
    pup_auxiliary,
)
from segtutor.tokens import Encoded, Encoder, HybridEncoder, dims_of
from segtutor.upsampling import Coarse, Size, predict_from_coarse, upsample

Dims = str | tuple[int, int, int]  # a name of tokens.SIZES, or (width, depth, heads)


class SegmentationModel(nn.Module):
    """encoder: images -> Encoded. neck: Encoded -> maps, or None. decoder: Encoded (or the neck's
    maps) -> (B, K, h, w). auxiliary: more decoders, used in training.

    forward: (B, 3, H, W) normalised images of any size from one patch up -> (B, K, H, W) logits.
    """

    align_corners = False  # of the last jump, in both papers

    def __init__(
        self,
        encoder: Encoder,
        decoder: nn.Module,
        auxiliary: list[nn.Module] = (),
        neck: nn.Module | None = None,
    ):
        super().__init__()
        self.encoder, self.neck, self.decoder = encoder, neck, decoder
        self.auxiliary = nn.ModuleList(auxiliary)
        self.config: ModelConfig | None = None  # set by `build`, saved beside the weights
        self.dead_shapes: dict[str, tuple[int, ...]] = {}  # set by weights.official.from_official

    @property
    def multiple_of(self) -> int:
        """Both sides of the image are padded up to a multiple of this."""
        return self.encoder.patch

    def coarse(self, images: Tensor, aux: bool | None = None) -> Coarse:
        """What the network computes: class scores on the patch grid, or on a finer one.

        images: (B, 3, H, W). aux: run the auxiliary heads too; None means "as in training mode".
        Raises ValueError for images smaller than a patch or of another precision than the weights.
        """
        check_precision(images, self.encoder.patch_embed.proj.weight)
        padded = pad_to_multiple(images, self.multiple_of)  # (B, 3, H', W')
        readers = [*self.heads(aux), *([self.neck] if self.neck is not None else [])]
        encoded = self.encoder(padded, layers=[i for reader in readers for i in reader.layers])
        return self.decode(encoded, tuple(padded.shape[-2:]), aux)

    def decode(self, encoded: Encoded, padded_size: Size, aux: bool | None = None) -> Coarse:
        """The second half of `coarse`, from tokens that are there already (training/frozen.py).

        padded_size: (H', W') of the images the tokens were made of.
        """
        seen = encoded if self.neck is None else self.neck(encoded)
        scores, *others = [head(seen) for head in self.heads(aux)]  # each (B, K, h_i, w_i)
        return Coarse(scores, tuple(others), padded_size, self.align_corners)

    def heads(self, aux: bool | None = None) -> list[nn.Module]:
        """The decoder, and the auxiliary heads if wanted; None means "as in training mode"."""
        return [self.decoder, *(self.auxiliary if aux or (aux is None and self.training) else ())]

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


def check_precision(images: Tensor, weight: Tensor) -> None:
    """Raise ValueError, saying what to do, when images and weights are of different precision."""
    if images.dtype != weight.dtype and not torch.is_autocast_enabled(images.device.type):
        images_are, weights_are = (str(t.dtype).removeprefix("torch.") for t in (images, weight))
        raise ValueError(
            f"the images are {images_are}, the model's weights {weights_are}: "
            f"convert the images (images.to(torch.{weights_are}), normalised), or leave both in "
            "float32 and run under torch.autocast"
        )


def synchronise_batchnorm(model: nn.Module, devices: int) -> nn.Module:
    """BatchNorm over the batches of all devices, as SETR was trained; on one device, the model as
    it is.

    devices: how many processes train together. Names and values of all tensors stay, so checkpoints
    fit either way. Call it before wrapping the model for distributed training.
    """
    return nn.SyncBatchNorm.convert_sync_batchnorm(model) if devices > 1 else model


def build(config: ModelConfig) -> SegmentationModel:
    """A model with random weights from its configuration."""
    options = dict(
        image=config.image,
        extra_tokens=config.extra_tokens,
        norm_eps=config.norm_eps,
        dropout=config.dropout,
        drop_path=config.drop_path,
        mode=config.mode,
        final_norm=config.family == "segmenter",
    )
    width, depth, heads = dims_of(config.size)
    dims = dict(width=width, depth=depth, heads=heads)
    if config.backbone:
        encoder = HybridEncoder(backbone=config.backbone, **dims, **options)
    else:
        encoder = Encoder(patch=config.patch, **dims, **options)
    decoder, auxiliary, neck = build_decoder(config, encoder.width, encoder.depth)
    model = SegmentationModel(encoder, decoder, auxiliary, neck)
    model.config = config
    return model


def build_decoder(
    config: ModelConfig, encoder_width: int, depth: int
) -> tuple[nn.Module, list[nn.Module], nn.Module | None]:
    """Decoder, auxiliary heads and neck (or None) for an encoder of this width and depth."""
    c, width = config, config.head_width or encoder_width
    both = dict(width=width, classes=c.classes)
    setr = dict(hidden=c.hidden, norm_eps=c.norm_eps)
    match c.family, c.decoder:
        case "segmenter", "linear":
            return LinearDecoder(**both), [], None
        case "segmenter", "mask":
            decoder = MaskTransformer(
                encoder_width=width,
                classes=c.classes,
                width=c.decoder_width,
                depth=c.decoder_depth,
                heads=c.decoder_heads,
                dropout=c.decoder_dropout,
                drop_path=c.decoder_drop_path,
                norm_eps=c.norm_eps,
                class_norm=c.class_norm,
            )
            return decoder, [], None
        case "setr", "naive":
            auxiliary = [NaiveDecoder(**both, **setr, layer=i) for i in c.aux_layers]
            return NaiveDecoder(**both, **setr), auxiliary, None
        case "setr", "pup":
            auxiliary = [pup_auxiliary(**both, **setr, layer=i) for i in c.aux_layers]
            return PUPDecoder(**both, **setr), auxiliary, None
        case "setr", "mla":
            taps = c.taps or mla_layers(depth)
            neck = MLAFusion(width=width, layers=taps, **setr)
            maps = dict(width=c.hidden, classes=c.classes)
            decoder = MLADecoder(**maps, levels=len(taps), hidden=c.head_hidden)
            if not set(c.aux_layers) <= set(range(len(taps))):
                raise ValueError(
                    f"aux_layers is {c.aux_layers}, but mla's auxiliary heads read fused maps: "
                    f"numbers 0..{len(taps) - 1}"
                )
            return decoder, [MapAuxiliary(**maps, level=i) for i in c.aux_layers], neck
    raise ValueError(
        f"no model {c.family!r} with decoder {c.decoder!r}; there are 'segmenter' with 'linear' or "
        "'mask', and 'setr' with 'naive', 'pup' or 'mla'"
    )


def segmenter_linear(classes: int, size: Dims = "tiny", **options) -> SegmentationModel:
    """Segmenter with the linear decoder (Seg-Ti/16, Seg-S/16, ...): paper section 3.2.

    options are fields of ModelConfig. Defaults follow the official training code: LayerNorm eps
    1e-5, drop path 0.1, inputs normalised with mean = std = 0.5.
    """
    options = {"norm_eps": 1e-5, **options}
    return build(ModelConfig("segmenter", "linear", classes, size, **options))


def segmenter_mask(classes: int, size: Dims = "tiny", **options) -> SegmentationModel:
    """Segmenter with the mask transformer (Seg-B-Mask/16, ...): paper section 3.2. Defaults as
    above, and two decoder blocks with dropout 0.1.
    """
    options = {"norm_eps": 1e-5, **options}
    return build(ModelConfig("segmenter", "mask", classes, size, **options))


def setr_naive(classes: int, size: Dims = "large", **options) -> SegmentationModel:
    """SETR-Naive: paper section 3.3 (1). Defaults follow the official code: eps 1e-6, no drop
    path, ImageNet mean and std. Auxiliary heads only where `aux_layers` says.
    """
    options = {"drop_path": 0.0, "normalisation": "imagenet", **options}
    return build(ModelConfig("setr", "naive", classes, size, **options))


def setr_pup(classes: int, size: Dims = "large", **options) -> SegmentationModel:
    """SETR-PUP: paper section 3.3 (2). Defaults as for `setr_naive`."""
    options = {"drop_path": 0.0, "normalisation": "imagenet", **options}
    return build(ModelConfig("setr", "pup", classes, size, **options))


def setr_mla(classes: int, size: Dims = "large", **options) -> SegmentationModel:
    """SETR-MLA: paper section 3.3 (3). Defaults as for `setr_naive`, and no class token, which the
    official code drops before the first block.
    """
    options = {"drop_path": 0.0, "normalisation": "imagenet", "extra_tokens": (), **options}
    return build(ModelConfig("setr", "mla", classes, size, **options))


def setr_hybrid(classes: int, size: Dims = "base", **options) -> SegmentationModel:
    """SETR-Hybrid: paper section 4.1, a ResNet-50 in place of the patch embedding, T-Small, the
    Naive decoder. Defaults as for `setr_naive`; no official code runs, see tokens/hybrid.py.
    """
    hybrid = {"backbone": "resnet50", "drop_path": 0.0, "normalisation": "imagenet"}
    return build(ModelConfig("setr", "naive", classes, size, **{**hybrid, **options}))
