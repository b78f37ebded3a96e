"""A model and a folder of labelled photographs, for what works on files."""

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.models import segmenter_linear
from segtutor.weights import save_model

CLASSES = ("road", "car", "sky")
SIZES = {"small": (20, 27), "wide": (40, 90), "square": (48, 48)}


@pytest.fixture
def place(tmp_path):
    """A model, and a folder of three labelled photographs of different sizes."""
    torch.manual_seed(0)
    model = segmenter_linear(3, (12, 1, 2), patch=8, image=(32, 32))
    save_model(model, tmp_path / "model.safetensors")
    random = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (tmp_path / "mine" / folder).mkdir(parents=True)
    for name, size in SIZES.items():
        photo = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        label = random.integers(0, 3, size, dtype=np.uint8)
        label[0] = 9
        Image.fromarray(photo).save(tmp_path / "mine" / "images" / f"{name}.png")
        Image.fromarray(label).save(tmp_path / "mine" / "labels" / f"{name}.png")
    (tmp_path / "mine" / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return tmp_path
