"""Learning rate as a pure function of the step.

Implements  : Segmenter section 4.2 and SETR section 4.1, the "poly" decay of DeepLab
Taught in   : chapter 13, Training recipes
Official    : neither paper mentions a floor; Segmenter's code decays to 1e-5, SETR's to 1e-4, both
              with power 0.9.
"""

from __future__ import annotations


def poly(
    step: int, *, steps: int, lr: float, floor: float = 0.0, power: float = 0.9, warmup: int = 0
) -> float:
    """(lr - floor) * (1 - step / steps) ** power + floor, after `warmup` steps of linear rise.

    step: number of optimiser steps already taken, 0..steps.
    """
    if step < warmup:
        return lr * (step + 1) / warmup
    return (lr - floor) * (1.0 - step / steps) ** power + floor
