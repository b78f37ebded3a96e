"""The failure gallery: what does each broken line cost?

Factor: one line of the library or of the scoring (reproduce/mistakes.py). Behind one frozen encoder
a decoder is trained with each seed. A mistake that is made in the test alone meets the very models
that the correct code trained and is compared with them; one that is made always has models of its
own, with the same seeds. Segmenter with the linear decoder; SETR-MLA for its levels.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from types import SimpleNamespace

from segtutor.config import ModelConfig
from segtutor.decoders import mla_layers
from segtutor.models import SegmentationModel
from segtutor.reproduce.broken import Toggle, broken
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.experiments.bench import (
    Place,
    bench_place,
    crops,
    decoder_model,
    photographs,
    recipe_of,
)
from segtutor.reproduce.mistakes import BY_NAME, CORRECT, FAILURES, Failure, Pairs, score
from segtutor.tokens import Encoder
from segtutor.training.frozen import FrozenTokens, predictions, train_on_tokens


@dataclass
class Workshop:
    """Tokens and models that variants share, each made when it is first needed.

    levels: the models are SETR-MLA. tokens: (whose, toggle or None) -> frozen tokens. models: (name
    of the failure or CORRECT, seed) -> trained model.
    """

    place: Place
    settings: SimpleNamespace
    levels: bool = False
    tokens: dict[tuple[str, Toggle | None], FrozenTokens] = field(default_factory=dict)
    models: dict[tuple[str, int], SegmentationModel] = field(default_factory=dict)

    @property
    def data(self) -> str:
        return self.place.data

    @property
    def encoder(self) -> Encoder:
        return self.place.encoder

    @property
    def classes(self) -> int:
        return len(self.place.train.classes)

    def tokens_of(self, whose: str, failure: Failure | None) -> FrozenTokens:
        """Tokens of the "crops" or the "photographs", made with the broken line if it matters to
        them.
        """
        toggle = failure.toggle if failure and whose in failure.remakes else None
        if (whose, toggle) not in self.tokens:
            images = photographs(self.place)
            if whose == "crops":
                images = crops(self.place, self.settings)
            keep = mla_layers(self.encoder.depth) if self.levels else ()
            with broken(toggle), attention_path(self.encoder, bool(toggle and failure.explicit)):
                self.tokens[whose, toggle] = FrozenTokens(self.encoder, images, layers=keep)
        return self.tokens[whose, toggle]

    def model_of(self, failure: Failure | None, seed: int) -> SegmentationModel:
        """A decoder trained with the broken line if it is broken always, else with correct code."""
        failure = failure if failure and failure.always else None
        key = (failure.name if failure else CORRECT, seed)
        if key not in self.models:
            model = decoder_model(self, self.config(failure.outputs if failure else 0), seed)
            tokens = self.tokens_of("crops", failure)
            with broken(failure.toggle if failure else None):
                train_on_tokens(model, tokens, recipe_of(self.settings, seed))
            self.models[key] = model
        return self.models[key]

    def config(self, more: int = 0) -> ModelConfig:
        """Of the models. more: outputs beyond the classes."""
        common = dict(classes=self.classes + more, normalisation=self.place.normalisation)
        if not self.levels:
            return ModelConfig(family="segmenter", decoder="linear", **common)
        widths = dict(hidden=self.settings.hidden, head_hidden=self.settings.head_hidden)
        return ModelConfig(family="setr", decoder="mla", **common, **widths)

    def answers(self, failure: Failure | None, seed: int, *, first: int | None = None) -> Pairs:
        """Prediction and label of each test photograph, or of the first so many."""
        model, tokens = self.model_of(failure, seed), self.tokens_of("photographs", failure)
        if first is not None:
            tokens = beginning(tokens, first)
        with broken(failure.toggle if failure else None):
            return list(predictions(model, tokens))

    def score_of(self, failure: Failure | None, pairs: Pairs) -> dict[str, float]:
        """mIoU and pixel accuracy as the variant reads them off."""
        more, counted = (failure.outputs, failure.counted) if failure else (0, 0)
        with broken(failure.toggle if failure else None):
            return score(pairs, classes=self.classes + more, counted=self.classes + counted)


@contextmanager
def attention_path(encoder: Encoder, explicit: bool):
    """While it lasts, attention goes step by step if `explicit`, which is equal and slower."""
    before = [block.attn.fused for block in encoder.blocks]
    for block in encoder.blocks:
        block.attn.fused = block.attn.fused and not explicit
    try:
        yield
    finally:
        for block, fused in zip(encoder.blocks, before, strict=True):
            block.attn.fused = fused


def beginning(tokens: FrozenTokens, count: int) -> FrozenTokens:
    """Frozen tokens of the first `count` images."""
    part = copy(tokens)
    part.tokens, part.labels = tokens.tokens[:count], tokens.labels[:count]
    part.layers = {i: kept[:count] for i, kept in tokens.layers.items()}
    return part


def prepare(settings: SimpleNamespace, data_root: str | None = None) -> Workshop:
    """For models with the linear decoder. Where ToyScenes stand in, crops are scaled and test
    scenes are larger than crops, as photographs are.
    """
    place = bench_place(settings, data_root, toy_test=(128, 160), toy_scale=(0.7, 1.4))
    return Workshop(place, settings)


def prepare_levels(settings: SimpleNamespace, data_root: str | None = None) -> Workshop:
    """The same for SETR-MLA."""
    shop = prepare(settings, data_root)
    shop.levels = True
    return shop


def run(shop: Workshop, settings: SimpleNamespace, variant: str, seed: int) -> dict[str, float]:
    failure = BY_NAME.get(variant)
    return shop.score_of(failure, shop.answers(failure, seed))


SIZES = dict(
    smoke=dict(crops=16, tests=4, pretrain=4, toy=True, steps=4, batch=4, lr=2e-3),
    cpu=dict(crops=600, tests=32, pretrain=250, toy=False, steps=120, batch=8, lr=2e-3),
)
WIDTHS = dict(smoke=dict(hidden=16, head_hidden=8), cpu=dict(hidden=32, head_hidden=16))
LINES = Experiment(
    name="failures-lines",
    question="One line is wrong: what does it cost Segmenter with the linear decoder?",
    variants=(CORRECT, *(f.name for f in FAILURES if not f.levels)),
    metrics=("miou", "accuracy"),
    settings=SIZES,
    prepare=prepare,
    run=run,
)
LEVELS = Experiment(
    name="failures-levels",
    question="The levels of SETR-MLA are handed over in reverse: what does it cost?",
    variants=(CORRECT, *(f.name for f in FAILURES if f.levels)),
    metrics=("miou", "accuracy"),
    settings={profile: {**sizes, **WIDTHS[profile]} for profile, sizes in SIZES.items()},
    prepare=prepare_levels,
    run=run,
)
EXPERIMENTS = (LINES, LEVELS)
