"""Chapter 06: does progressive upsampling sharpen borders, and is it the upsampling that does it?

Factor: the decoder behind one frozen encoder, SETR-Naive or SETR-PUP, both 32 wide instead of 256,
which is what two cores allow (PUP's last stage is where the time goes). PUP changes two things at
once: it convolves, so that neighbours mix, and it does so on ever finer grids. A third decoder
tells them apart: PUP's convolutions, number for number, all on the grid of patches, then one jump
as in Naive. What PUP has and it lacks is the upsampling between the convolutions.
"""

from __future__ import annotations

from segtutor.config import ModelConfig
from segtutor.decoders import PUPDecoder
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.experiments.bench import decoder_model, fit_and_score, frozen_bench

DECODERS = {"Naive": "naive", "PUP": "pup", "PUP's convolutions, one jump": "pup"}
ONE_JUMP = "PUP's convolutions, one jump"


def model_of(bench, settings, variant, seed):
    """Encoder of the bench and a new decoder of this variant."""
    config = ModelConfig(
        family="setr",
        decoder=DECODERS[variant],
        classes=len(bench.classes),
        hidden=settings.hidden,
        normalisation="imagenet",
    )
    model = decoder_model(bench, config, seed)
    if variant == ONE_JUMP:
        all_on_patches = PUPDecoder(
            width=bench.encoder.width,
            classes=config.classes,
            hidden=config.hidden,
            scales=(1, 1, 1, 1),
        )
        all_on_patches.load_state_dict(model.decoder.state_dict())  # PUP's very weights
        model.decoder = all_on_patches
    return model


def run(bench, settings, variant, seed):
    model = model_of(bench, settings, variant, seed)
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
            crops=1200, tests=58, pretrain=250, toy=False, steps=200, batch=8, lr=2e-3, hidden=32
        ),
    ),
    prepare=frozen_bench,
    run=run,
)
EXPERIMENTS = (BOUNDARIES,)
