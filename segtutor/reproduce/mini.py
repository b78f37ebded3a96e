"""A published training as a miniature for two cores: the same row, by overrides alone.

Taught in   : chapter 16, Ablations, baselines and tables
Source      : ours

CamVid, crops of 128 pixels, DeiT-Tiny; decoder, auxiliary losses, dropout, stochastic depth,
schedule, batch and share of the training images stay in proportion. Where a table compares sizes or
patches there is only one pretrained file too few: all encoders start from random weights, with
sizes in the order of the originals. Rows that then are the same training are run once (expand.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from segtutor.decoders import AUX_LAYERS
from segtutor.training.published import Run

STEPS = 160  # of the longest schedule on a data set; about a minute
LONGEST = {"ade20k": 160_000, "pascal_context": 80_000, "cityscapes": 80_000}
IMAGES = {"ade20k": 20_210, "pascal_context": 4_998, "cityscapes": 2_975}
CAMVID = 367  # training images
SIDE = 128
SIZES = {"tiny": "48,4,3", "small": "64,4,4", "base": "96,4,6", "large": "96,8,6"}
VARIED = ("size", "optimiser")


def varied(runs: Iterable[Run]) -> frozenset[str]:
    """Which of "size" (patches included) and "optimiser" these runs compare."""
    runs = list(runs)
    sizes = {(run.model.size, run.model.patch) for run in runs}
    kinds = {run.recipe.optimiser for run in runs}
    return frozenset(n for n, seen in zip(VARIED, (sizes, kinds), strict=True) if len(seen) > 1)


def mini(run: Run, compared: frozenset[str] = frozenset()) -> dict[str, str]:
    """Overrides for `segtutor train` that make a miniature of a published run. compared: what its
    table varies, see `varied`.

    Raises ValueError, with the reason, for a run that has no miniature.
    """
    if run.data not in LONGEST:
        raise ValueError(f"{run.name} is a run on {run.data}, small already")
    if run.model.backbone:
        raise ValueError("needs a pretrained ResNet; chapter 08 compares a small one")
    if "test" in run.name.split("-"):
        raise ValueError("scored by a test server, which a miniature has not")
    steps = max(20, round(STEPS * min(1.0, run.recipe.steps / LONGEST[run.data])))
    sizes = "size" in compared
    aux = () if sizes or not run.model.aux_layers else AUX_LAYERS[run.model.decoder, 12]
    changes = {
        "data": "camvid",
        "splits": "train",
        "test": "own",
        "pipeline": "light",
        "base": "0,0",
        "steps": steps,
        "batch": run.recipe.batch // 2,
        "backbone": "" if sizes or not run.backbone else "deit_tiny_patch16_224",
        "subset": round(CAMVID * run.subset / IMAGES[run.data]),
        "model.classes": 11,
        "model.image": f"{SIDE},{SIDE}",
        "model.size": SIZES[run.model.size] if sizes else "tiny",
        "model.normalisation": "imagenet",
        "model.extra_tokens": "cls" if run.model.extra_tokens else "",
        "model.aux_layers": ",".join(map(str, aux)),
        "model.hidden": 64,
        "model.head_hidden": 32,
    }
    if sizes:
        changes["model.decoder_heads"] = SIZES[run.model.size].split(",")[-1]
    if "optimiser" in compared and run.recipe.optimiser == "sgd":
        changes |= {"lr": 0.01}
    else:
        warmup = steps // 10 if run.recipe.optimiser == "adamw" else 8
        changes |= {"optimiser": "adamw", "lr": 5e-4, "head_lr": 5, "warmup": warmup, "floor": 0}
    return {key: str(value) for key, value in changes.items()}
