"""A published training as a miniature for two cores: the same row, by overrides alone.

Taught in   : chapter 16, Ablations, baselines and tables
Source      : ours

CamVid at half its sides, crops of 96 pixels, DeiT-Tiny, half a minute: decoder, auxiliary losses,
dropout, stochastic depth, schedule, batch and share of the training images stay in proportion.
What cannot stay:

- Sizes and patches. There is one pretrained file, so elsewhere all sizes are DeiT-Tiny. In the
  table that compares them (Segmenter, 3) all encoders start from random weights, with sizes in the
  order of the originals.
- The optimiser: AdamW, heads five times as fast as the encoder. The mask transformer does not stand
  that (9.0 and 2.5 % mIoU in two trainings); it takes the encoder's rate, which gave 16 % on a
  drive of CamVid that was held out of the training photographs.
- Rivals. No pretrained ResNet is at hand either: where they are compared, all networks start from
  random weights, on painted scenes small enough for a ResNet-101, for equally many steps.

Rows that then are the same training are run once (expand.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from segtutor.data import camvid
from segtutor.decoders import AUX_LAYERS
from segtutor.training.published import Run
from segtutor.weights import find_weights

STEPS = 100  # of the longest schedule on a data set
LONGEST = {"ade20k": 160_000, "pascal_context": 80_000, "cityscapes": 80_000}
IMAGES = {"ade20k": 20_210, "pascal_context": 4_998, "cityscapes": 2_975}
# data of miniatures: classes, training images, side of the crop or both
DATA = {"camvid_small": (11, 367, "96,96"), "toyscenes": (8, 512, "64,96")}
WEIGHTS = "deit_tiny_patch16_224"
SIZES = {"tiny": "48,4,3", "small": "64,4,4", "base": "96,4,6", "large": "96,8,6"}
RIVAL_STEPS = 60
VARIED = ("size", "optimiser", "network")


def varied(runs: Iterable[Run]) -> frozenset[str]:
    """Which of "size" (patches included), "optimiser" and "network" (rivals) these runs compare."""
    runs = list(runs)
    ours = [run for run in runs if not run.baseline]
    sizes = {(run.model.size, run.model.patch) for run in ours}
    kinds = {run.recipe.optimiser for run in ours}
    networks = {run.baseline for run in runs}
    counts = zip(VARIED, (sizes, kinds, networks), strict=True)
    return frozenset(name for name, seen in counts if len(seen) > 1)


def mini(
    run: Run,
    compared: frozenset[str] = frozenset(),
    *,
    data: str = "camvid_small",
    weights: str = WEIGHTS,
) -> dict[str, str]:
    """Overrides for `segtutor train` that make a miniature of a published run.

    compared: what its table varies, see `varied`. data: a key of DATA. weights: what pretrained
    encoders start from, "" where it is not at hand.

    Raises ValueError, with the reason, for a run that has no miniature.
    """
    if run.data not in LONGEST:
        raise ValueError(f"{run.name} is a run on {run.data}, small already")
    if run.model.backbone:
        raise ValueError("needs a pretrained ResNet; chapter 08 compares a small one")
    if "test" in run.name.split("-"):
        raise ValueError("scored by a test server, which a miniature has not")
    rivals, sizes = "network" in compared, "size" in compared
    if run.baseline and not rivals:
        raise ValueError("a rival; SETR's tables 1b and 1e have miniatures of those")
    if run.model.patch != 16 and not sizes:
        raise ValueError(
            "no pretrained weights with such patches; Segmenter's table 3 has it from random ones"
        )
    classes, images, crop = DATA["toyscenes" if rivals else data]
    schedule = min(1.0, run.recipe.steps / LONGEST[run.data])
    steps = RIVAL_STEPS if rivals else max(20, round(STEPS * schedule))
    changes = {
        "data": "toyscenes" if rivals else data,
        "splits": "train",
        "test": "own",
        "pipeline": "light",
        "base": "0,0",
        "steps": steps,
        "batch": 4 if rivals else run.recipe.batch // 2,
        "backbone": "" if sizes or rivals or not run.backbone else weights,
        "subset": round(images * run.subset / IMAGES[run.data]),
        "model.classes": classes,
        "model.image": crop,
        "model.normalisation": "imagenet",
    }
    if not run.baseline:
        changes |= _small_model(run, sizes)
    if "optimiser" in compared and run.recipe.optimiser == "sgd":
        changes |= {"lr": 0.01}
    else:
        warmup = steps // 10 if run.recipe.optimiser == "adamw" else 8
        heads = 1 if run.baseline or run.model.decoder == "mask" else 5
        changes |= {"optimiser": "adamw", "lr": 5e-4, "head_lr": heads, "warmup": warmup}
        changes |= {"floor": 0}
    return {key: str(value) for key, value in changes.items()}


def _small_model(run: Run, sizes: bool) -> dict:
    aux = () if sizes or not run.model.aux_layers else AUX_LAYERS[run.model.decoder, 12]
    changes = {
        "model.size": SIZES[run.model.size] if sizes else "tiny",
        "model.extra_tokens": "cls" if run.model.extra_tokens else "",
        "model.aux_layers": ",".join(map(str, aux)),
        "model.hidden": 64,
        "model.head_hidden": 32,
    }
    if sizes:
        changes["model.decoder_heads"] = SIZES[run.model.size].split(",")[-1]
    return changes


def at_hand(data_root: str | Path | None = None) -> dict[str, str]:
    """Keywords for `mini` by what is on this machine: CamVid or else painted scenes; weights of
    DeiT-Tiny or else none.
    """
    there = camvid.available(data_root)
    return {
        "data": "camvid_small" if there else "toyscenes",
        "weights": WEIGHTS if find_weights(WEIGHTS, data_root) else "",
    }
