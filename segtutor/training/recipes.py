"""Everything that decides a training run, in one frozen object that is printed in full when the
run starts.

Taught in   : chapter 13, Training recipes
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

CHOICES = {
    "optimiser": ("sgd", "adamw"),
    "schedule": ("poly", "cosine"),
    "loss_norm": ("global", "local"),
    "precision": ("auto", "float32", "bfloat16", "float16"),
}


@dataclass(frozen=True)
class Recipe:
    """steps: optimiser steps. batch: images per step, over all processes and micro-batches. lr:
    base learning rate.

    optimiser: "sgd" (momentum 0.9, Nesterov or not) or "adamw". schedule: "poly" (with `power`) or
    "cosine", both down to `floor` after `warmup` steps of linear rise. head_lr: factor on the base
    rate for everything outside the encoder (SETR's code: 10); the floor is the same for all.

    loss_mean: see losses.py. aux_weight: of each auxiliary loss. class_weights: one per class, see
    `losses.balanced_weights`; empty: all alike, as in both papers. seed: of data order,
    augmentation and dropout.

    How it is computed. accumulate: micro-batches per step, each through the network by itself; they
    need less memory. loss_norm: "global" divides by the counted pixels of the whole batch, so that
    neither accumulation nor the number of processes changes the loss; "local" averages the means of
    the pieces, as both official codes do with theirs on several GPUs. precision: "auto" takes what
    this device multiplies fastest, see precision.py. checkpoint_activations: forget what happened
    inside the encoder's blocks and compute it again on the way back: less memory, a third more
    time. compile: torch.compile. sync_bn: BatchNorm over all GPUs, as SETR; on CPU there is none.
    """

    steps: int
    batch: int = 8
    lr: float = 1e-3
    optimiser: str = "sgd"
    schedule: str = "poly"
    floor: float = 1e-5
    power: float = 0.9
    warmup: int = 0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    head_lr: float = 1.0
    loss_mean: str = "valid"
    loss_norm: str = "global"
    aux_weight: float = 0.4
    precision: str = "auto"
    class_weights: tuple[float, ...] = ()
    seed: int = 0
    accumulate: int = 1
    checkpoint_activations: bool = False
    compile: bool = False
    sync_bn: bool = True

    def __post_init__(self):
        for field, known in CHOICES.items():
            if getattr(self, field) not in known:
                raise ValueError(f"{field} is {getattr(self, field)!r}, expected one of {known}")
        if self.steps < 1 or self.batch < 1 or self.accumulate < 1:
            raise ValueError(
                f"steps {self.steps}, batch {self.batch} and accumulate {self.accumulate} must be "
                "at least 1"
            )
        if self.batch % self.accumulate:
            raise ValueError(
                f"a batch of {self.batch} cannot be cut into {self.accumulate} equal micro-batches:"
                " choose `accumulate` among its divisors"
            )

    def to_dict(self) -> dict:
        return asdict(self)
