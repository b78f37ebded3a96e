"""Room: how it learns (chapters 12 and 13)."""

from segtutor.training.loop import train
from segtutor.training.losses import balanced_weights, cross_entropy, loss_from_coarse
from segtutor.training.recipes import Recipe
from segtutor.training.schedule import cosine, poly

__all__ = [
    "Recipe",
    "balanced_weights",
    "cosine",
    "cross_entropy",
    "loss_from_coarse",
    "poly",
    "train",
]
