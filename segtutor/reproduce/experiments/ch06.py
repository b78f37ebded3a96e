"""Chapter 06: does progressive upsampling sharpen borders?

Factor: the decoder behind one frozen encoder, SETR-Naive or SETR-PUP. Both are 64 wide instead of
256, which is what two cores allow.
"""

from __future__ import annotations

from segtutor.config import ModelConfig
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.experiments.bench import decoder_model, fit_and_score, frozen_bench

DECODERS = {"Naive": "naive", "PUP": "pup"}


def run(bench, settings, variant, seed):
    config = ModelConfig(
        family="setr",
        decoder=DECODERS[variant],
        classes=len(bench.classes),
        hidden=settings.hidden,
        normalisation="imagenet",
    )
    model = decoder_model(bench, config, seed)
    score = fit_and_score(bench, model, settings, seed).result()
    return {name: score[name] for name in BOUNDARIES.metrics}


BOUNDARIES = Experiment(
    name="06-boundaries",
    question="Behind the same frozen encoder, does PUP do better than Naive, and where?",
    variants=tuple(DECODERS),
    metrics=("miou", "border_accuracy", "inside_accuracy"),
    settings=dict(
        smoke=dict(crops=16, tests=4, pretrain=2, toy=True, steps=2, batch=4, lr=2e-3, hidden=16),
        cpu=dict(
            crops=1200, tests=58, pretrain=250, toy=False, steps=200, batch=8, lr=2e-3, hidden=64
        ),
    ),
    prepare=frozen_bench,
    run=run,
)
EXPERIMENTS = (BOUNDARIES,)
