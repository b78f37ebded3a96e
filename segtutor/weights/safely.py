"""Reading PyTorch's own checkpoint files without ever running what is inside.

Taught in   : chapter 03, The encoder and its pretrained weights
Safety      : a .pth file is a pickle, which is a program. PyTorch's `weights_only=True` reads the
              part of that language that makes tensors and refuses the rest by name. Official
              checkpoints also hold a few harmless things (options of the training script, numpy
              numbers); these are allowed here one by one. Versions of PyTorch before 2.6 had a hole
              in this reader, hence the lower bound in pyproject.toml.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

WRAPPERS = ("state_dict", "model")  # where checkpoints keep the tensors: mmcv, Segmenter
PREFIXES = ("module.", "model.", "net.")  # of DistributedDataParallel and Lightning


def harmless() -> list:
    """What may stand in a checkpoint besides tensors: (object, its name in the file) or object.

    Numbers of numpy: the maker of scalars under its name of today and that of numpy 1, `dtype`, and
    the classes of numeric types. Not the types of Python objects.
    """
    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(code)) for code in np.typecodes["All"] if code not in "OVSUMm"}
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [argparse.Namespace, np.dtype, *kinds, *((scalar, name) for name in names)]


def read_checkpoint(path: str | Path) -> dict:
    """Everything in a .pt/.pth/.bin file, on the CPU.

    Raises FileNotFoundError, and ValueError for a file that holds code (it is not run; the error
    names what it asked for) or is no checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights file at {path}")
    try:
        with torch.serialization.safe_globals(harmless()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds here; all mean "not plain tensors"
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = (
            f"it asks for {asked[1]}, which no weights need; do not trust it"
            if asked
            else f"it is damaged, or holds more than tensors ({type(error).__name__})"
        )
        raise ValueError(
            f"{path} is not a plain PyTorch weights file and was not executed: {reason}"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected a dictionary")
    return content


def tensors_in(content: dict) -> dict[str, Tensor]:
    """The flat state dict inside a checkpoint: unwrapped, and freed of prefixes common to all keys.

    {"state_dict": ...} of mmcv and Lightning, {"model": ...} of Segmenter, "module." of
    DistributedDataParallel are understood. Raises ValueError when there are no tensors.
    """
    for key in WRAPPERS:
        if isinstance(content.get(key), dict):
            content = content[key]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)}
    others = [k for k in content if k not in tensors]
    if not tensors or others:
        raise ValueError(
            f"expected a dictionary of tensors, found {len(tensors)} tensors and other entries "
            f"{others[:3]}: give the state dict itself, or a file with one under {WRAPPERS}"
        )
    while prefix := next((p for p in PREFIXES if all(k.startswith(p) for k in tensors)), None):
        tensors = {k.removeprefix(prefix): v for k, v in tensors.items()}
    return tensors
