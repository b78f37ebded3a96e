"""How the exhibits are made: one frozen encoder in three patch sizes, seven decoders, one rival.

Taught in   : chapter 15 and the gallery look at the results; exhibits.py keeps them
Source      : ours. Decoders learn on tokens that were computed once (training/frozen.py), as the
              experiments of chapters 06, 07 and 09 do.

Patches of half and of twice the side share the same encoder too: enlarging the photograph twice
(nearest neighbour) and cutting it into patches of P is a linear map of its patches of P/2, so the
embedding's kernel can be folded, exactly (`folded`). The transformer behind it never trained at
that scale; its decoder did.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.baselines import BaselineConfig, build_baseline
from segtutor.config import ModelConfig
from segtutor.data import Cached, CamVid, Sample, augment, batches
from segtutor.data.toyscenes import ToyScenes
from segtutor.evaluation import evaluate
from segtutor.models import SegmentationModel, build_decoder, segmenter_linear
from segtutor.tokens import Encoder, resize_positions
from segtutor.training import Recipe, train
from segtutor.training.frozen import FrozenTokens, train_on_tokens
from segtutor.weights import pretrained_encoder

WEIGHTS = "deit_tiny_patch16_224"
SCALES = {"small": 0.5, "": 1.0, "large": 2.0}  # which patches: of half the side, whole, twice
# CamVid's frames have 360x480 pixels. size: of test pictures. scale: of training crops
NEAR = dict(size=(240, 320), crop=(192, 192), scale=(0.55, 0.9), conv_scale=(0.3, 0.6))
FAR = dict(size=(192, 256), crop=(160, 160), scale=(0.45, 0.72), conv_scale=(0.24, 0.48))
# crops: how many are kept as tokens; few: of small patches. pretrain, steps, pup, conv: steps of
# the toy encoder, of the decoders, of PUP and MLA, of the rival, which sees crops of conv_side
SIZES = dict(
    smoke=dict(toy=True, camvid=FAR, crops=16, few=8, pretrain=2, steps=3, pup=2, batch=4, lr=3e-3,
               tests=3, hidden=8, dims=(32, 4, 2), toy_size=(64, 96), conv_side=64, conv=2,
               marks=(0, 1, 3)),
    cpu=dict(toy=False, camvid=FAR, crops=96, few=24, pretrain=130, steps=48, pup=24, batch=8,
             lr=3e-3, tests=10, hidden=32, dims=(96, 4, 3), toy_size=(96, 128), conv_side=96,
             conv=24, marks=(0, 6, 14, 28, 48)),
    gpu=dict(camvid=NEAR, crops=2000, few=1000, pretrain=1500, steps=1500, pup=1000, lr=2e-3,
             tests=60, conv=1500, marks=(0, 50, 200, 600, 1500)),
)  # fmt: skip
# name -> (what Segmenter's paper would call it, patches, configuration)
DECODERS = {
    "mask": ("Seg-Mask", "", dict(family="segmenter", decoder="mask", decoder_heads=3)),
    "linear": ("Seg", "", dict(family="segmenter", decoder="linear")),
    "small": ("Seg", "small", dict(family="segmenter", decoder="linear")),
    "large": ("Seg", "large", dict(family="segmenter", decoder="linear")),
    "naive": ("SETR-Naive", "", dict(family="setr", decoder="naive")),
    "pup": ("SETR-PUP", "", dict(family="setr", decoder="pup")),
    "mla": ("SETR-MLA", "", dict(family="setr", decoder="mla", head_hidden=16)),
}
CONV = "conv"  # the convolutional rival, from random weights


class Samples(list):
    """Samples in memory with what a data set says of itself."""

    def __init__(self, samples, source):
        super().__init__(samples)
        for attribute in ("name", "classes", "palette", "ignore"):
            setattr(self, attribute, getattr(source, attribute))


def folded(encoder: Encoder, scale: float, image: tuple[int, int]) -> Encoder:
    """The same encoder with patches of `scale` times the side (0.5 or 2): its answer to a
    photograph is, exactly, the given one's to the photograph enlarged twice (each pixel becomes
    four alike) or shrunk (the mean of each four). image: (H, W) to store positions for.
    """
    if scale not in (0.5, 2.0):
        raise ValueError(f"scale is {scale}, expected 0.5 or 2.0")
    other = copy.deepcopy(encoder)
    kernel = encoder.patch_embed.proj.weight.detach()  # (D, 3, P, P)
    if scale == 0.5:
        kernel = 4 * F.avg_pool2d(kernel, 2)  # (D, 3, P/2, P/2)
    else:
        kernel = kernel.repeat_interleave(2, -1).repeat_interleave(2, -2) / 4  # (D, 3, 2P, 2P)
    patch = kernel.shape[-1]
    proj = nn.Conv2d(3, len(kernel), patch, stride=patch)
    proj.weight, proj.bias = nn.Parameter(kernel.clone()), encoder.patch_embed.proj.bias
    other.patch_embed.proj, other.patch_embed.patch = proj, patch
    positions, grid = encoder.pos_embed, (-(-image[0] // patch), -(-image[1] // patch))
    table = resize_positions(positions.table.detach(), positions.grid, grid, extra=encoder.extra)
    other.pos_embed.table, other.pos_embed.grid = nn.Parameter(table.clone()), grid
    return other


def behind(model: SegmentationModel) -> nn.ModuleDict:
    """All that stands behind the encoder, which is what was trained."""
    parts = {"neck": model.neck, "decoder": model.decoder}
    return nn.ModuleDict({name: part for name, part in parts.items() if part is not None})


def camvid_place(settings, data_root) -> SimpleNamespace:
    source, street = CamVid("test", data_root), SimpleNamespace(**settings.camvid)
    size = tuple(street.size)
    rows = torch.linspace(0, len(source) - 1, settings.tests).long().tolist()
    samples = [source[i] for i in rows]
    samples = [
        Sample(resized(s.image, size), resized(s.label[None], size, "nearest-exact")[0], s.name)
        for s in samples
    ]
    return SimpleNamespace(
        train=CamVid("train", data_root), test=Samples(samples, source), crop=street.crop,
        normalisation="imagenet", scale=street.scale, conv_scale=street.conv_scale,
        data=f"CamVid (Brostow et al. 2009) at {size[1]}x{size[0]} pixels, and a frozen DeiT-Tiny "
        "with ImageNet weights behind which only the decoders learnt", conv_title="",
    )  # fmt: skip


def toy_place(settings) -> SimpleNamespace:
    size = tuple(settings.toy_size)
    train_data = Cached(ToyScenes("train", size=size, length=max(settings.crops, 16)))
    source = ToyScenes("test", size=size, length=settings.tests)
    return SimpleNamespace(
        train=train_data, test=Samples(source, source), crop=(size[0], size[0]),
        normalisation="half", scale=(1.0, 1.0), conv_scale=(1.0, 1.0),
        data="ToyScenes, painted by this library, because CamVid or the weights of DeiT-Tiny are "
        "not here (or the profile is the short one), and a small encoder that was trained on them "
        "before the decoders were", conv_title="",
    )  # fmt: skip


def base_encoder(place, settings, real, data_root, kept) -> Encoder:
    if real:
        options = dict(image=place.crop, data_root=data_root, download=False)
        encoder = pretrained_encoder(WEIGHTS, **options)[0]
    else:
        model = segmenter_linear(
            len(place.train.classes), settings.dims, patch=8, image=place.crop, norm_eps=1e-6,
            drop_path=0.0,
        )  # fmt: skip
        encoder = model.encoder
        if kept is None:
            recipe = Recipe(steps=settings.pretrain, batch=8, lr=1e-3, optimiser="adamw",
                            warmup=min(20, settings.pretrain // 2))  # fmt: skip
            crops = augment(place.crop, normalisation=place.normalisation, scale=place.scale)
            train(model, place.train, recipe, transform=crops, verbose=False)
        else:
            encoder.load_state_dict(kept["encoder"])
    return encoder.eval().requires_grad_(False)


def untrained(base, place, settings, real, seed, names=None) -> dict[str, SegmentationModel]:
    """New decoders on the one encoder, and the convolutional rival: those in `names`, or all."""
    names = (*DECODERS, CONV) if names is None else names
    encoders = {
        key: base if scale == 1 else folded(base, scale, place.crop).eval().requires_grad_(False)
        for key, scale in SCALES.items()
    }
    models = {}
    for name in (n for n in names if n != CONV):
        _, patches, changes = DECODERS[name]
        config = ModelConfig(
            classes=len(place.test.classes), patch=encoders[patches].patch, image=place.crop,
            size="tiny" if real else settings.dims, normalisation=place.normalisation,
            drop_path=0.0, hidden=settings.hidden, **changes,
        )  # fmt: skip
        if not real and config.decoder_heads:
            config = ModelConfig(**{**config.to_dict(), "decoder_heads": settings.dims[2]})
        torch.manual_seed(seed)
        parts = build_decoder(config, base.width, base.depth)
        models[name] = SegmentationModel(encoders[patches], *parts)
        models[name].config = config
    if CONV in names:
        models[CONV], place.conv_title = _rival(len(place.test.classes), seed)
    return models


def _rival(classes: int, seed: int):
    torch.manual_seed(seed)
    try:
        config, title = BaselineConfig("deeplabv3plus", "resnet18", classes), "DeepLabv3+ R18"
        return build_baseline(config), title
    except ImportError:  # without the extra "baselines"
        return build_baseline(BaselineConfig("fcn", "resnet50", classes)), "FCN R50"


def train_all(models, place, settings, seed) -> dict:
    """Everything that is kept: state dicts, class embeddings on their way, scores."""
    movement: dict[int, Tensor] = {}
    decoders = {name: model for name, model in models.items() if name != CONV}
    train_decoders(decoders, place, settings, seed, movement)
    _train_rival(models[CONV], place, settings, seed)
    scores = {name: evaluate(m, place.test).result()["miou"] for name, m in models.items()}
    states = {name: (m if name == CONV else behind(m)).state_dict() for name, m in models.items()}
    return {
        "encoder": models["mask"].encoder.state_dict(),
        "models": states,
        "movement": movement,
        "miou": scores,
    }


def train_decoders(models, place, settings, seed, movement: dict[int, Tensor]) -> None:
    """Train what stands behind the encoder, in place. No model's weights depend on which others are
    trained. movement: gets the class embeddings of "mask" on their way.
    """
    for patches in SCALES:
        group = {name: model for name, model in models.items() if DECODERS[name][1] == patches}
        if not group:
            continue
        frozen = _tokens(group, place, settings, patches, seed)
        for name, model in group.items():
            steps = settings.pup if name in ("pup", "mla") else settings.steps
            recipe = Recipe(steps=steps, batch=settings.batch, lr=settings.lr, optimiser="adamw",
                            warmup=min(20, steps // 4), seed=seed)  # fmt: skip
            if name == "mask":
                with Watched(model.decoder, settings.marks, movement):
                    train_on_tokens(model, frozen, recipe)
                movement[steps] = model.decoder.classes.detach()[0].clone()  # (K, D)
            else:
                train_on_tokens(model, frozen, recipe)


def _tokens(group, place, settings, patches: str, seed: int) -> FrozenTokens:
    model = next(iter(group.values()))
    layers = {i for m in group.values() if m.neck is not None for i in m.neck.layers}
    crops = settings.few if patches == "small" else settings.crops
    scaled = augment(place.crop, normalisation=place.normalisation, scale=place.scale)
    stream = batches(place.train, batch=8, steps=-(-crops // 8), transform=scaled,
                     normalisation=place.normalisation, seed=seed)  # fmt: skip
    return FrozenTokens(model.encoder, stream, layers=sorted(layers))


class Watched:
    """While it lasts, keep the class embeddings as they are before the steps in `marks`."""

    def __init__(self, decoder: nn.Module, marks: tuple[int, ...], into: dict[int, Tensor]):
        self.decoder, self.marks, self.into, self.step = decoder, marks, into, 0

    def __enter__(self):
        self.hook = self.decoder.register_forward_pre_hook(self.look)

    def look(self, decoder: nn.Module, inputs: tuple) -> None:
        if self.step in self.marks:
            self.into[self.step] = decoder.classes.detach()[0].clone()  # (K, D)
        self.step += 1

    def __exit__(self, *problem):
        self.hook.remove()


def _train_rival(model, place, settings, seed) -> None:
    """From random weights, on small crops of small pictures, a few at a time, since steps help it
    more than crops do: enough for blobs, not for justice.
    """
    side = settings.conv_side
    scaled = augment((side, side), normalisation="imagenet", scale=place.conv_scale)
    recipe = Recipe(steps=settings.conv, batch=settings.batch // 2, lr=2e-3, optimiser="adamw",
                    warmup=min(5, settings.conv // 2), seed=seed)  # fmt: skip
    train(model, place.train, recipe, transform=scaled, verbose=False)


def note(name: str, settings, place) -> str:
    if name == CONV:
        return (
            f"{place.conv_title} from random weights, {settings.conv} steps on crops of "
            f"{settings.conv_side} pixels"
        )
    steps = settings.pup if name in ("pup", "mla") else settings.steps
    crops = settings.few if DECODERS[name][1] == "small" else settings.crops
    return f"decoder trained for {steps} steps on the tokens of {crops} crops, encoder frozen"


def resized(image: Tensor, size: tuple[int, int], mode: str = "bilinear") -> Tensor:
    """(C, H, W) uint8 -> (C, *size) uint8."""
    smooth = {"antialias": True} if mode == "bilinear" else {}
    return F.interpolate(image[None].float(), size, mode=mode, **smooth)[0].round().byte()
