"""Stop a run anywhere, go on as if nothing had happened.

Taught in   : chapter 13, Training recipes

One safetensors file, written under a temporary name and then renamed: weights and optimiser
moments as tensors, the rest (history, recipe) as JSON in its header, so that the two can never
disagree. Nothing in it is executable.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from segtutor.training.recipes import Recipe
from segtutor.weights.files import read_safetensors

NAME = "checkpoint.safetensors"


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    recipe: Recipe,
    history: list[dict],
) -> Path:
    """Write everything needed to go on after `len(history)` steps. The old checkpoint stays until
    the new one is whole.
    """
    tensors = {f"model/{k}": v.detach().contiguous() for k, v in model.state_dict().items()}
    numbers = {}
    for index, state in optimiser.state_dict()["state"].items():
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser/{index}/{key}"] = value.detach().contiguous()
            else:
                numbers[f"{index}/{key}"] = value
    header = {"recipe": recipe.to_dict(), "history": history, "optimiser": numbers}
    path = folder / NAME
    part = path.with_suffix(".part")
    save_file({k: v.cpu() for k, v in tensors.items()}, part, {"training": json.dumps(header)})
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    return path


def load_checkpoint(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, recipe: Recipe
) -> list[dict]:
    """Fill model and optimiser; return the history so far, [] if there is no checkpoint.

    Raises ValueError, listing what differs, when the checkpoint was made by another recipe.
    """
    path = folder / NAME
    if not path.exists():
        return []
    tensors, metadata = read_safetensors(path)
    header = json.loads(metadata["training"])
    mine = json.loads(json.dumps(recipe.to_dict()))  # as it reads back: tuples become lists
    differs = {k: (v, mine.get(k)) for k, v in header["recipe"].items() if mine.get(k) != v}
    if differs:
        listed = "; ".join(f"{k}: {old!r} there, {new!r} now" for k, (old, new) in differs.items())
        raise ValueError(
            f"{path} was made by another recipe ({listed}). Use the same recipe, another folder, "
            "or resume=False"
        )
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model/")})
    state: dict[int, dict] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser/"):
            _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
    for key, value in header["optimiser"].items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return header["history"]
