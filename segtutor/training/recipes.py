"""Everything that decides a training run, in one frozen object that is printed in full when the
run starts.

Taught in   : chapter 13, Training recipes
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

OPTIMISERS = ("sgd", "adamw")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """steps: optimiser steps. batch: images per step. lr: base learning rate, decayed by
    `schedule.poly` to `floor`.

    optimiser: "sgd" (momentum 0.9, Nesterov or not) or "adamw". head_lr: factor for everything
    outside the encoder (SETR's code: 10). loss_mean: see losses.py. aux_weight: of each auxiliary
    loss. precision: "auto" takes bfloat16 only where this device multiplies it faster than
    float32. class_weights: one per class, see `losses.balanced_weights`; empty: all alike, as in
    both papers. seed: of data order, augmentation and dropout.
    """

    steps: int
    batch: int = 8
    lr: float = 1e-3
    optimiser: str = "sgd"
    floor: float = 1e-5
    power: float = 0.9
    warmup: int = 0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    head_lr: float = 1.0
    loss_mean: str = "valid"
    aux_weight: float = 0.4
    precision: str = "auto"
    class_weights: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self):
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser is {self.optimiser!r}, expected one of {OPTIMISERS}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, expected one of {PRECISIONS}")
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps {self.steps} and batch {self.batch} must be at least 1")

    def to_dict(self) -> dict:
        return asdict(self)
