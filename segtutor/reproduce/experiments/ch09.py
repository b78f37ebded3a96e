"""Chapter 09: linear decoder or mask transformer, and which of its parts do the work?

Factor: what stands behind one frozen encoder. Three comparisons share these runs: linear against
mask; the mask transformer's last norm, left out or replaced by a factor; its blocks, two or none.

Two variants are controls that no paper has. "cosines times ten" replaces the class-norm by a fixed
factor: if only the small range of cosines hurts, it should do as well. "two blocks, then linear"
has the mask transformer's blocks and no class tokens: with a frozen encoder, more layers alone may
help.
"""

from __future__ import annotations

from itertools import islice

from torch import Tensor, nn

from segtutor.config import ModelConfig
from segtutor.decoders import MaskTransformer
from segtutor.evaluation import MeanIoU
from segtutor.models import SegmentationModel
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.experiments.bench import Bench, decoder_model, fit_and_score, frozen_bench
from segtutor.tokens import Encoded, tokens_to_grid
from segtutor.training.frozen import predictions

# variant -> what differs from Segmenter's mask transformer with two blocks
VARIANTS = {
    "linear": dict(decoder="linear"),
    "mask": {},
    "mask without class-norm": dict(class_norm=False),
    "mask, cosines times ten": dict(class_norm=False),
    "mask, no block": dict(decoder_depth=0),
    "two blocks, then linear": {},
}


class Times(nn.Module):
    """Multiply by a fixed number; it stands where the class-norm stood."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, scores: Tensor) -> Tensor:
        return self.factor * scores


class BlocksThenLinear(nn.Module):
    """The mask transformer without class tokens: its blocks and norm see the patches alone, and one
    matrix classifies them.

    decoder: gives its parts. forward: Encoded -> coarse scores (B, K, h, w).
    """

    layers: tuple[int, ...] = ()

    def __init__(self, decoder: MaskTransformer):
        super().__init__()
        self.enter, self.blocks, self.norm = decoder.enter, decoder.blocks, decoder.norm
        self.head = nn.Linear(decoder.norm.normalized_shape[0], decoder.classes.shape[1])
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, encoded: Encoded) -> Tensor:
        x = self.enter(encoded.patches())  # (B, N, d)
        for block in self.blocks:
            x = block(x)  # (B, N, d)
        return tokens_to_grid(self.head(self.norm(x)), encoded.grid)  # (B, K, h, w)


def model_of(bench: Bench, variant: str, settings, seed: int) -> SegmentationModel:
    """The bench's encoder with the decoder of this variant. Variants with the same parts start from
    the same numbers.
    """
    options = {"decoder": "mask", "decoder_heads": settings.heads, **VARIANTS[variant]}
    config = ModelConfig(family="segmenter", classes=len(bench.classes), norm_eps=1e-5, **options)
    model = decoder_model(bench, config, seed)
    if variant == "mask, cosines times ten":
        model.decoder.class_norm = Times(10.0)
    if variant == "two blocks, then linear":
        model.decoder = BlocksThenLinear(model.decoder)
    return model


def run(bench, settings, variant, seed):
    model = model_of(bench, variant, settings, seed)
    score = fit_and_score(bench, model, settings, seed).result()
    seen = MeanIoU(len(bench.classes))  # of crops it was trained on: did it learn those?
    for predicted, label in islice(predictions(model, bench.train, batch=8), settings.seen):
        seen.update(predicted, label)
    score["train_accuracy"] = seen.result()["pixel_accuracy"]
    return {name: score[name] for name in DECODERS.metrics}


DECODERS = Experiment(
    name="09-decoders",
    question="Behind one frozen encoder: linear or mask, with which last norm, with or "
    "without blocks?",
    variants=tuple(VARIANTS),
    metrics=("miou", "border_accuracy", "inside_accuracy", "train_accuracy"),
    settings=dict(
        smoke=dict(
            crops=16, tests=2, pretrain=2, toy=True, steps=2, batch=4, lr=1e-3, heads=4, seen=8
        ),
        cpu=dict(
            crops=800, tests=46, pretrain=250, toy=False, steps=100, batch=8, lr=1e-3, heads=3,
            seen=96,
        ),
    ),
    prepare=frozen_bench,
    run=run,
)  # fmt: skip
EXPERIMENTS = (DECODERS,)
