"""Learning rate as a pure function of the step.

Implements  : Segmenter section 4.2 and SETR section 4.1, the "poly" decay of DeepLab; Segmenter
              appendix A, cosine decay after a linear rise
Taught in   : chapter 13, Training recipes
Official    : neither paper mentions a floor; Segmenter's code decays to 1e-5, SETR's to 1e-4, both
              with power 0.9. SETR's heads start ten times higher and end at the same floor.
              Appendix A says how long the rise is (16 000 of 160 000 steps) and names no floor.
"""

from __future__ import annotations

import math

from segtutor.training.recipes import Recipe


def poly(
    step: int, *, steps: int, lr: float, floor: float = 0.0, power: float = 0.9, warmup: int = 0
) -> float:
    """(lr - floor) * (1 - step / steps) ** power + floor, after `warmup` steps of linear rise.

    step: number of optimiser steps already taken, 0..steps.
    """
    if step < warmup:
        return lr * (step + 1) / warmup
    return (lr - floor) * (1.0 - step / steps) ** power + floor


def cosine(step: int, *, steps: int, lr: float, floor: float = 0.0, warmup: int = 0) -> float:
    """Half a wave of the cosine from lr down to floor, after `warmup` steps of linear rise to lr.

    step: number of optimiser steps already taken, 0..steps.
    """
    if step < warmup:
        return lr * (step + 1) / warmup
    share = (step - warmup) / max(steps - warmup, 1)  # of the way down
    return floor + (lr - floor) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


def rate(recipe: Recipe, step: int, factor: float = 1.0) -> float:
    """The rate of one parameter group: from factor * recipe.lr down to recipe.floor."""
    common = dict(steps=recipe.steps, floor=recipe.floor, warmup=recipe.warmup)
    if recipe.schedule == "cosine":
        return cosine(step, lr=factor * recipe.lr, **common)
    return poly(step, lr=factor * recipe.lr, power=recipe.power, **common)
