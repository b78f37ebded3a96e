"""Room: weights in and out (chapter 03). This is the only room that reads weight files or
downloads them (baselines.py, if asked, lets its libraries fetch theirs).
"""

from segtutor.weights.files import load_model, load_strictly, read_tensors, save_model
from segtutor.weights.pretrained import (
    PRETRAINED,
    LoadReport,
    find_weights,
    load_encoder,
    load_pretrained,
    pretrained_encoder,
)

__all__ = [
    "PRETRAINED",
    "LoadReport",
    "find_weights",
    "load_encoder",
    "load_model",
    "load_pretrained",
    "load_strictly",
    "pretrained_encoder",
    "read_tensors",
    "save_model",
]
