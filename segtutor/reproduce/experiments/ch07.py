"""Chapter 07: which of SETR-MLA's four levels does it need?

Factor: which blocks of one frozen encoder the decoder reads. A level that is left out is gone from
the top-down sums and from the joined streams, so the decoder is then a quarter smaller. Widths are
64 and 32 instead of 256 and 128, which is what two cores allow.

One more variant keeps the size and takes the levels away: all four streams read the deepest block.
If it does as well as four levels, what MLA gains comes from its streams and not from depth's
variety.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

from segtutor.config import ModelConfig
from segtutor.decoders import mla_layers
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.experiments.bench import decoder_model, fit_and_score, frozen_bench

ALL, SAME = "all four levels", "level 4 four times"
WITHOUT = {f"without level {i + 1}": i for i in range(4)}  # level 1 is the shallowest


def prepare(settings, data_root=None):
    """The bench, with the outputs of the blocks that MLA reads."""
    return frozen_bench(settings, data_root, layers=mla_layers)


def taps_of(depth, variant):
    """The blocks that a variant reads, shallow to deep."""
    levels = mla_layers(depth)
    return tuple(b for i, b in enumerate(levels) if i != WITHOUT.get(variant))


def model_of(bench, settings, variant, seed):
    """Encoder of the bench and a new MLA decoder of this variant."""
    config = ModelConfig(
        family="setr",
        decoder="mla",
        classes=len(bench.classes),
        taps=taps_of(bench.encoder.depth, variant),
        hidden=settings.hidden,
        head_hidden=settings.head_hidden,
        normalisation="imagenet",
    )
    return decoder_model(bench, config, seed)


def with_same_levels(tokens):
    """Frozen tokens whose levels are all the deepest one."""
    same = copy(tokens)
    same.layers = dict.fromkeys(tokens.layers, tokens.layers[max(tokens.layers)])
    return same


def run(bench, settings, variant, seed):
    model = model_of(bench, settings, variant, seed)
    if variant == SAME:
        same = {name: with_same_levels(getattr(bench, name)) for name in ("train", "test")}
        bench = replace(bench, **same)
    score = fit_and_score(bench, model, settings, seed).result()
    return {name: score[name] for name in LEVELS.metrics}


LEVELS = Experiment(
    name="07-levels",
    question="Behind the same frozen encoder, which of MLA's four levels is missed once gone?",
    variants=(ALL, *WITHOUT, SAME),
    metrics=("miou", "border_accuracy", "inside_accuracy"),
    settings=dict(
        smoke=dict(
            crops=16, tests=4, pretrain=2, toy=True, steps=2, batch=4, lr=2e-3, hidden=16,
            head_hidden=8,
        ),
        cpu=dict(
            crops=1000, tests=40, pretrain=250, toy=False, steps=120, batch=8, lr=2e-3, hidden=64,
            head_hidden=32,
        ),
    ),
    prepare=prepare,
    run=run,
)  # fmt: skip
EXPERIMENTS = (LEVELS,)
