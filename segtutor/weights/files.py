"""A model on disk: one safetensors file that holds the weights and the configuration they belong
to.

Taught in   : chapter 00 (saving), chapter 03 (loading)
Safety      : safetensors holds numbers and text, never code. Files of PyTorch's own format go
              through safely.py, where no pickle is ever executed.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from segtutor.baselines import BaselineConfig, build_baseline
from segtutor.models import ModelConfig, SegmentationModel, build
from segtutor.weights.safely import read_checkpoint, tensors_in

PART = ".part"  # folder in which files are written, beside what they replace


def write_whole(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file that appears whole or not at all, even when the power fails.

    It is written in a folder of its own, because safetensors may put files beside it that a killed
    process would leave there, pushed to the disk and then renamed. Raises OSError when it cannot be
    written; nothing is left behind.
    """
    part = path.parent / PART / path.name
    try:
        part.parent.mkdir(exist_ok=True)
        part.touch()
        mode = part.stat().st_mode
        save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, part, metadata)
        part.chmod(mode)  # safetensors would keep it from other users
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        if os.name == "posix":  # the new name is safe only when the folder is written as well
            handle = os.open(path.parent, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
    except SafetensorError as error:
        raise OSError(str(error)) from error  # it wraps "no space left" into its own
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            part.parent.rmdir()  # unless another process is writing there, too


def save_model(model: SegmentationModel, path: str | Path) -> Path:
    """Write weights and configuration. The file appears whole or not at all.

    Raises PermissionError when the folder cannot be written.
    """
    if model.config is None:
        raise ValueError("this model has no configuration; make it with segtutor.models.build")
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, model.state_dict(), {"segtutor": json.dumps(model.config.to_dict())})
    except OSError as error:
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
