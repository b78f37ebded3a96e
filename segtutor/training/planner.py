"""Will it fit, and how long will it take? Predicted before a run is started.

Implements  : ours
Taught in   : chapter 13, Training recipes

Memory comes from the account in memory.py, compared with measured peaks in results/planner.jsonl.
Hours come from counted floating-point operations and an *assumed* share of the card's rate, so they
are estimates: forward once, backward twice as much, and what is computed again.

What to do when a run does not fit stands in ladder.py.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import cache

import torch

from segtutor.config import ModelConfig
from segtutor.models import build
from segtutor.tokens import dims_of
from segtutor.training.memory import Memory, step_memory
from segtutor.training.runs import Run

GIB = 2**30
SHARE = 0.35  # of a card's rate that a training reaches: assumed
CPU_SHARE = 0.5  # of the rate of one large matrix product
CONTEXT = 0.7 * GIB  # CUDA's own, and its libraries'
SLACK = 1.06  # an allocator never packs without gaps; also our error


@dataclass(frozen=True)
class Card:
    """memory: GiB that a process can have. rates: TFLOP/s of dense products by precision, the
    fastest first, as the maker states them.
    """

    title: str
    memory: float
    rates: dict[str, float]

    @property
    def cuda(self) -> bool:
        return self.title != "this processor"

    @property
    def fastest(self) -> str:
        return next(iter(self.rates))


CARDS = {
    "t4": Card("NVIDIA T4", 14.6, {"float16": 65, "float32": 8.1}),
    "24gb": Card("24 GB card (RTX 3090)", 23.6, {"bfloat16": 71, "float32": 35.6}),
    "80gb": Card("80 GB card (A100)", 79.0, {"bfloat16": 312, "float32": 19.5}),
    "h200": Card("NVIDIA H200", 139.0, {"bfloat16": 989, "float32": 67}),
}


def card(name: str) -> Card:
    """A card by name; "cpu" is this machine, its rate measured with one product."""
    if name == "cpu":
        return _processor()
    if name not in CARDS:
        raise ValueError(f"unknown card {name!r}; there are {', '.join(CARDS)} and cpu")
    return CARDS[name]


@cache
def _processor() -> Card:
    a = torch.ones(1024, 1024)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return Card("this processor", memory, {"float32": 2 * 1024**3 / min(seconds) / 1e12})


def forward_flops(config: ModelConfig) -> int:
    """Of one crop through the network, auxiliary heads included: two per multiply-add, products
    and convolutions only. Counted on the meta device.
    """
    return _flops(replace(config, dropout=0.0, drop_path=0.0, decoder_dropout=0.0))


@cache
def _flops(config: ModelConfig) -> int:
    from torch.utils.flop_counter import FlopCounterMode  # half a second, only here

    with torch.device("meta"):
        model = build(config).eval()
        images = torch.empty(1, 3, *config.image)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.coarse(images, aux=True)
    return counter.get_total_flops()


@cache
def _baseline_flops(name: str, classes: int, image: tuple[int, int]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    from segtutor.baselines import baseline

    with torch.device("meta"):
        model = baseline(name, classes).eval()
        images = torch.empty(1, 3, *image)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.coarse(images, aux=True)
    return counter.get_total_flops()


def training_flops(run: Run) -> float:
    """Of one picture in one training step: forward, and backward twice that; frozen blocks have no
    backward, checkpointed ones a second forward.
    """
    c = run.model
    if run.baseline:
        return 3 * _baseline_flops(run.baseline, c.classes, c.image)
    D, L, _ = dims_of(c.size)
    T = (c.image[0] // c.patch) * (c.image[1] // c.patch) + len(c.extra_tokens)
    block = 24 * T * D**2 + 4 * T**2 * D
    again = (L - run.frozen) * block if run.recipe.checkpoint_activations else 0
    return 3 * forward_flops(c) - 2 * run.frozen * block + again


def hours(run: Run, on: Card, gpus: int = 1) -> float:
    """An estimate, see above."""
    precision = precision_on(run, on)
    share = SHARE if on.cuda else CPU_SHARE
    rate = on.rates.get(precision, on.rates["float32"]) * 1e12 * share * gpus
    return training_flops(run) * run.recipe.batch * run.recipe.steps / rate / 3600


def precision_on(run: Run, on: Card) -> str:
    """What the recipe asks for; "auto" is what this card multiplies fastest."""
    return on.fastest if run.recipe.precision == "auto" else run.recipe.precision


def memory(run: Run, on: Card, gpus: int = 1) -> Memory:
    """Of one process of `gpus`. Raises ValueError for a baseline, whose account nobody wrote."""
    if run.baseline:
        raise ValueError(f"{run.name}: memory is planned for SETR and Segmenter, not for baselines")
    recipe = run.recipe
    return step_memory(
        run.model,
        batch=max(1, recipe.batch // gpus // recipe.accumulate),
        precision=precision_on(run, on),
        optimiser=recipe.optimiser,
        checkpoint=recipe.checkpoint_activations,
        frozen=run.frozen,
        device="cuda" if on.cuda else "cpu",
        carried=recipe.accumulate > 1,
    )


def need(run: Run, on: Card, gpus: int = 1, *, sharded: bool = False) -> float:
    """GiB that a process wants on this card: the peak, room for gaps, and CUDA's own. Several
    processes hold the gradients once more, in the buckets that travel; under FSDP (sharded) each
    holds only its part of weights, gradients and optimiser states.
    """
    m = memory(run, on, gpus)
    states = m.weights + m.gradients + m.optimiser
    extra = m.gradients if gpus > 1 and not sharded else 0
    saved = states * (1 - 1 / gpus) if sharded else 0
    return (SLACK * (m.peak + extra - saved) + (CONTEXT if on.cuda else 0)) / GIB
