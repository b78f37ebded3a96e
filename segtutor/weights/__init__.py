"""Room: weights in and out (chapter 03). This is the only room that reads weight files or
downloads them (baselines.py, if asked, lets its libraries fetch theirs).
"""

from segtutor.weights.backbones import BACKBONES, Backbone, backbone_table
from segtutor.weights.files import load_model, load_strictly, read_tensors, save_model
from segtutor.weights.official import (
    OfficialReport,
    convert,
    from_official,
    read_official,
    to_official,
)
from segtutor.weights.pretrained import (
    PRETRAINED,
    LoadReport,
    find_weights,
    load_encoder,
    load_pretrained,
    pretrained_encoder,
)
from segtutor.weights.safely import read_checkpoint
from segtutor.weights.variants import read_variant

__all__ = [
    "BACKBONES",
    "PRETRAINED",
    "Backbone",
    "LoadReport",
    "OfficialReport",
    "backbone_table",
    "convert",
    "find_weights",
    "from_official",
    "load_encoder",
    "load_model",
    "load_pretrained",
    "load_strictly",
    "pretrained_encoder",
    "read_checkpoint",
    "read_official",
    "read_tensors",
    "read_variant",
    "save_model",
    "to_official",
]
