"""The networks that both papers compare themselves with, from two well-kept libraries.

Implements  : the rivals in SETR tables 1(b) (Semantic FPN), 1(e) and 3-5 (dilated FCN) and in
              Segmenter tables 4 and 6-8 (DeepLabV3+), 6 (UPerNet with Swin-L)
Taught in   : chapter 16, Ablations, baselines and tables
Source      : torchvision (FCN) and segmentation-models-pytorch, "smp" (the others). Their networks
              run as they are; only the last jump to pixels is left to upsampling.py, like that of
              our own models. A test holds both together.
Official    : SETR quotes MMSegmentation's numbers, Segmenter also ran its DeepLabV3+. Same ideas
              there, other details:
              - all ResNets: a stem of three 3x3 convolutions; here one 7x7.
              - FCN: three 3x3 convolutions before the scores, and a skip past two; here one.
              - Semantic FPN: dropout 0.1, BatchNorm; here 0.2, GroupNorm in the last part.
              - DeepLabV3+: output stride 8, width 512, an auxiliary head; here 16, 256, none.
              - UPerNet: width 512, an auxiliary head; here 256, none.
              So these are baselines of the papers' kind, not copies of the papers' baselines.

A baseline is a SegmentationModel: losses, training loop, metrics and figures take it unchanged.

    model = baseline("fcn_resnet101", classes=19)   # random weights, nothing is downloaded
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.models import SegmentationModel
from segtutor.upsampling import Coarse

# name -> architecture, backbone under the name that the library uses ("tu-": smp asks timm).
BASELINES = {
    "fcn_resnet101": ("fcn", "resnet101"),
    "semantic_fpn_resnet50": ("fpn", "resnet50"),
    "semantic_fpn_resnet101": ("fpn", "resnet101"),
    "deeplabv3plus_resnet101": ("deeplabv3plus", "resnet101"),
    "deeplabv3plus_resnest101": ("deeplabv3plus", "tu-resnest101e"),
    "upernet_swin_large": ("upernet", "tu-swin_large_patch4_window7_224.ms_in22k"),
}
SMP_CLASSES = {"fpn": "FPN", "deeplabv3plus": "DeepLabV3Plus", "upernet": "UPerNet"}
POOLS_TO_ONE = ("deeplabv3plus", "upernet")  # BatchNorm follows a 1x1 map: one image is too few


@dataclass(frozen=True)
class BaselineConfig:
    """Everything needed to build a baseline again; saved as JSON beside its weights.

    architecture: "fcn", "fpn", "deeplabv3plus" or "upernet". backbone: a name of the library's,
    e.g. "resnet101" ("resnet18" for a quick try; FCN: "resnet50" or "resnet101"). classes: K.
    normalisation: what the input pixels went through; all these backbones learnt from ImageNet's.
    """

    architecture: str
    backbone: str
    classes: int
    normalisation: str = "imagenet"

    def to_dict(self) -> dict:
        return asdict(self)


class Baseline(SegmentationModel):
    """encoder: images -> feature maps. decoder and auxiliary heads: feature maps -> (B, K, h, w).

    multiple_of: sides are padded up to this (1: the library takes any size). align_corners: of
    the last jump, as the library does it. forward: (B, 3, H, W) normalised images of any size ->
    (B, K, H, W) logits.
    """

    multiple_of = 1

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        auxiliary: list[nn.Module],
        *,
        config: BaselineConfig,
        multiple_of: int,
        align_corners: bool,
    ):
        super().__init__(encoder, decoder, auxiliary)
        self.config, self.multiple_of, self.align_corners = config, multiple_of, align_corners

    def coarse(self, images: Tensor, aux: bool | None = None) -> Coarse:
        """Class scores at 1/8 (FCN) or 1/4 of the sides. See SegmentationModel.coarse."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"images have shape {tuple(images.shape)}, expected (B, 3, H, W): "
                "add the batch axis with images[None]"
            )
        if self.training and len(images) == 1 and self.config.architecture in POOLS_TO_ONE:
            raise ValueError(
                f"a batch of 1 image cannot train {self.config.architecture}: its BatchNorm after "
                "global pooling needs at least 2; use a larger batch, or model.eval() to predict"
            )
        aux = self.training if aux is None else aux
        H, W = images.shape[-2:]
        padded = F.pad(images, (0, -W % self.multiple_of, 0, -H % self.multiple_of))  # (B,3,H',W')
        features = self.encoder(padded)  # maps (B, C_i, h_i, w_i), a list or (FCN) by name
        scores = self.decoder(features)  # (B, K, h, w)
        others = tuple(head(features) for head in self.auxiliary) if aux else ()
        return Coarse(scores, others, tuple(padded.shape[-2:]), self.align_corners)


class FCNHead(nn.Module):
    """Hands one named feature map of torchvision's backbone to torchvision's head."""

    def __init__(self, name: str, head: nn.Module):
        super().__init__()
        self.name, self.head = name, head

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        return self.head(features[self.name])  # (B, K, h, w)


def baseline(name: str, classes: int, *, pretrained: bool = False) -> Baseline:
    """A baseline by its name in BASELINES. classes: K.

    pretrained: ask the library for ImageNet weights of the backbone; it downloads them. Without
    that, weights are random and the network is never touched.
    """
    if name not in BASELINES:
        raise ValueError(f"unknown baseline {name!r}; known: {', '.join(BASELINES)}")
    return build_baseline(BaselineConfig(*BASELINES[name], classes), pretrained=pretrained)


def build_baseline(config: BaselineConfig, *, pretrained: bool = False) -> Baseline:
    """A baseline from its configuration.

    Raises ValueError for an unknown architecture or backbone, ImportError where smp is not
    installed, FileNotFoundError when `pretrained` weights cannot be downloaded.
    """
    if config.architecture not in ("fcn", *SMP_CLASSES):
        raise ValueError(
            f"unknown architecture {config.architecture!r}; known: fcn, {', '.join(SMP_CLASSES)}"
        )
    make = _fcn if config.architecture == "fcn" else _smp
    return make(config, pretrained)


def _fcn(config: BaselineConfig, pretrained: bool) -> Baseline:
    """torchvision's dilated FCN. Like the library, it pads nothing: any size goes through."""
    from torchvision.models import segmentation

    if config.backbone not in ("resnet50", "resnet101"):
        raise ValueError(
            f"torchvision's FCN has no backbone {config.backbone!r}; known: resnet50, resnet101"
        )
    make = getattr(segmentation, f"fcn_{config.backbone}")
    weights = "IMAGENET1K_V1" if pretrained else None
    with _downloading(config, pretrained):
        network = make(
            weights=None, weights_backbone=weights, num_classes=config.classes, aux_loss=True
        )
    return Baseline(
        network.backbone,
        FCNHead("out", network.classifier),
        [FCNHead("aux", network.aux_classifier)],  # reads the last stage but one
        config=config,
        multiple_of=1,
        align_corners=False,
    )


def _smp(config: BaselineConfig, pretrained: bool) -> Baseline:
    """A network of segmentation-models-pytorch, its last x4 (align_corners=True) left out."""
    try:
        import segmentation_models_pytorch as smp
    except ImportError as error:
        raise ImportError(
            f"the baseline {config.architecture} needs segmentation-models-pytorch, which is not "
            "installed: pip install 'segtutor[baselines]'"
        ) from error
    from_timm = config.backbone.startswith("tu-")
    if not _is_known(config.backbone, smp.encoders.get_encoder_names()):
        raise ValueError(
            f"unknown backbone {config.backbone!r}: it needs a name of segmentation-models-pytorch "
            "such as 'resnet101', or 'tu-' and a name of timm's such as 'tu-resnest101e'"
        )
    options = {}
    if config.backbone.startswith("tu-swin"):
        # As Swin's own segmentation code: any size, and windows that shift in every stage. timm's
        # classifier at 224 px does not shift the last one, where one window is the whole map.
        options = dict(strict_img_size=False, always_partition=True)
    weights = (True if from_timm else "imagenet") if pretrained else None
    with _downloading(config, pretrained):
        network = getattr(smp, SMP_CLASSES[config.architecture])(
            config.backbone,
            encoder_weights=weights,
            classes=config.classes,
            upsampling=1,
            **options,
        )
    return Baseline(
        network.encoder,
        nn.Sequential(network.decoder, network.segmentation_head),
        [],
        config=config,
        multiple_of=network.encoder.output_stride,
        align_corners=True,
    )


def _is_known(backbone: str, names: list[str]) -> bool:
    import timm

    if backbone.startswith("tu-"):
        return timm.is_model(backbone.removeprefix("tu-"))
    return backbone in names


@contextmanager
def _downloading(config: BaselineConfig, pretrained: bool) -> Iterator[None]:
    """While a library may download: say what failed, and what to do instead."""
    try:
        yield
    except Exception as error:  # no network, hub down, no such weights: the remedy is the same
        if not pretrained:
            raise
        raise FileNotFoundError(
            f"ImageNet weights of {config.backbone} could not be downloaded "
            f"({type(error).__name__}: {error}). Try again where there is a network, or start from "
            "random weights with pretrained=False"
        ) from error
