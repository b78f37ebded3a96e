"""All trainings by name: those of both papers, and our own on CamVid.

Taught in   : chapter 13, Training recipes
Official    : the papers' runs, and where paper and repository disagree, stand in setr_runs.py and
              segmenter_runs.py; their rivals in baseline_runs.py. What a run costs is computed
              by planner.py.

    DATA-MODEL[-STEPS]          with the repository's settings: ade20k-setr-pup-large-160k
    DATA-MODEL[-STEPS]-paper    with those of the paper's text
    DATA-RIVAL-STEPS            networks that the papers compare themselves with
    camvid-...                  ours

`segtutor recipes` lists them, `segtutor recipes NAME` prints one in full, with the mIoU to expect
and the cost; `segtutor train NAME` starts one.
"""

from __future__ import annotations

import difflib

from segtutor.config import ModelConfig
from segtutor.decoders import AUX_LAYERS
from segtutor.training.baseline_runs import baseline_runs
from segtutor.training.recipes import Recipe
from segtutor.training.runs import Run, override, protocols
from segtutor.training.segmenter_runs import segmenter_runs
from segtutor.training.setr_runs import setr_runs

__all__ = ["RUNS", "Run", "find_run", "override", "protocols"]

# Our own, for two processor cores and a few minutes: chapter 00's choices, made on a drive held out
# of `train`. There (one run each) the mask decoder scored 46.7 with pixels alike and 47.5 with
# classes balanced; it learns without dropout, and its class norm, whose scale of 1 cannot be sure
# of one class in 11, needs the higher rate to grow.
# decoder, steps, learning rate, factor of the heads, frozen blocks, balance, model
CAMVID = (
    ("linear", 700, 7e-4, 10.0, 6, 0.0, {}),
    ("mask", 700, 7e-4, 4.0, 6, 0.5, {"decoder_dropout": 0.0}),
    ("naive", 600, 5e-4, 5.0, 0, 0.0, {}),
    ("pup", 600, 5e-4, 5.0, 0, 0.0, {"hidden": 64}),
    ("mla", 600, 5e-4, 5.0, 0, 0.0, {"hidden": 128, "head_hidden": 64}),
)


def _camvid(decoder, steps, lr, head_lr, frozen, balance, changes) -> Run:
    family = "segmenter" if decoder in ("linear", "mask") else "setr"
    model = ModelConfig(
        family=family,
        decoder=decoder,
        classes=11,
        size="tiny",
        image=(192, 192),
        extra_tokens=() if decoder == "mla" else ("cls",),
        drop_path=0.0,
        normalisation="imagenet",
        aux_layers=AUX_LAYERS.get((decoder, 12), ()),
        **changes,
    )
    recipe = Recipe(steps=steps, batch=12, lr=lr, optimiser="adamw", warmup=20, head_lr=head_lr)
    return Run(
        name=f"camvid-{family}-{decoder}-tiny-16",
        model=model,
        backbone="deit_tiny_patch16_224",
        data="camvid",
        recipe=recipe,
        choice="Ours; nobody published it.",
        pipeline="light",
        frozen=frozen,
        balance=balance,
    )


def _table() -> dict[str, Run]:
    runs = [*(_camvid(*row) for row in CAMVID), *segmenter_runs(), *setr_runs(), *baseline_runs()]
    return {run.name: run for run in runs}


RUNS = _table()


def find_run(name: str) -> Run:
    """A run by its name. Raises ValueError with the names that come near."""
    if name not in RUNS:
        near = difflib.get_close_matches(name, RUNS, 5, 0.5)
        near = near or [known for known in RUNS if name in known][:5]
        hint = f"did you mean {', '.join(near)}?" if near else "`segtutor recipes` lists them"
        raise ValueError(f"no run named {name!r}; {hint}")
    return RUNS[name]
