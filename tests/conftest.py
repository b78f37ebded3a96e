"""What several tests share: where the real data and the reference numbers are."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def timm():
    """The library; imported when a test wants it, so that collecting the others does not wait."""
    import timm

    return timm


@pytest.fixture(scope="session")
def nbformat():
    """The library, imported late for the same reason."""
    import nbformat

    return nbformat


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder SEGTUTOR_DATA names; tests marked `real_data` need it."""
    root = os.environ.get("SEGTUTOR_DATA")
    if not root or not (Path(root) / "camvid").is_dir():
        pytest.skip("real data is not here: set SEGTUTOR_DATA to a folder with camvid/ and weights")
    return Path(root)


@pytest.fixture(scope="session")
def golden():
    """golden("losses_ce") -> dict of arrays; golden.config("losses_ce") -> its description."""
    folders = [ROOT / "tests" / "goldens", Path(os.environ.get("SEGTUTOR_GOLDENS", "-"))]

    def path(file: str) -> Path:
        for folder in folders:
            if (folder / file).exists():
                return folder / file
        pytest.skip(
            f"{file} is too large for this repository and SEGTUTOR_GOLDENS does not hold it"
        )

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(path(f"{name}.npz")) as arrays:
            return dict(arrays)

    load.config = lambda name: json.loads(path(f"{name}.json").read_text())
    return load
