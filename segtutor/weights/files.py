"""A model on disk: one safetensors file that holds the weights and the configuration they belong
to.

Taught in   : chapter 00 (saving), chapter 03 (loading)
Safety      : safetensors holds numbers and text, never code. Files of PyTorch's own format go
              through safely.py, where no pickle is ever executed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from segtutor.baselines import BaselineConfig, build_baseline
from segtutor.models import ModelConfig, SegmentationModel, build
from segtutor.weights.safely import read_checkpoint, tensors_in


def save_model(model: SegmentationModel, path: str | Path) -> Path:
    """Write weights and configuration. The file appears whole or not at all.

    Raises PermissionError when the folder cannot be written.
    """
    if model.config is None:
        raise ValueError("this model has no configuration; make it with segtutor.models.build")
    path = Path(path)
    metadata = {"segtutor": json.dumps(model.config.to_dict())}
    tensors = {k: v.detach().contiguous().cpu() for k, v in model.state_dict().items()}
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part, metadata)
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True) if os.access(path.parent, os.W_OK) else None
        if not os.access(path.parent if path.parent.exists() else path.parent.parent, os.W_OK):
            raise PermissionError(
                f"cannot write {path}: no write permission in {path.parent}; choose another folder"
            ) from error
        raise
    return path


def load_model(path: str | Path) -> SegmentationModel:
    """Read a file of `save_model`: builds the model from the stored configuration and fills it."""
    tensors, metadata = read_safetensors(path)
    if "segtutor" not in metadata:
        raise ValueError(
            f"{path} holds tensors but no segtutor configuration: save_model did not write it. "
            "Pretrained encoders are read with segtutor.weights.load_encoder"
        )
    values = json.loads(metadata["segtutor"])
    if "architecture" in values:  # of a baseline: a library's network, not one of the papers'
        model = build_baseline(BaselineConfig(**values))
    else:
        model = build(ModelConfig.from_dict(values))
    load_strictly(model, tensors, source=str(path))
    return model


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file, and its text metadata."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights file at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) is not a whole safetensors file: {error}. "
            "Was the download or the copy interrupted? Fetch it again"
        ) from error


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """A flat state dict from .safetensors, or from .pt/.pth/.bin without executing pickle code."""
    path = Path(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)[0]
    return tensors_in(read_checkpoint(path))


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], source: str = "the file") -> None:
    """load_state_dict that names the first tensor that does not fit, with both shapes."""
    own = module.state_dict()
    for name, tensor in own.items():
        if name in tensors and tensors[name].shape != tensor.shape:
            raise ValueError(
                f"{source} belongs to another variant: the first tensor that differs is {name!r}, "
                f"{tuple(tensors[name].shape)} in the file, {tuple(tensor.shape)} in this model"
            )
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or extra:
        raise ValueError(
            f"{source} does not fit this model: {len(missing)} tensors are missing "
            f"(first: {missing[:1]}), {len(extra)} are not known (first: {extra[:1]})"
        )
    module.load_state_dict(tensors)
