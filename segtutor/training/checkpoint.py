"""Stop a run anywhere, go on as if nothing had happened.

Taught in   : chapter 13, Training recipes

`step-00000500.safetensors` holds weights and optimiser moments as tensors and the rest (recipe,
history, machine) as JSON in its header, so that they can never disagree. Nothing in it is
executable. `weights.files.write_whole` writes it: what has the right name is whole. The last two
are kept, in case somebody else's accident befalls one.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segtutor.training.recipes import Recipe
from segtutor.weights.files import PART, read_safetensors, write_whole

BEST = "best.safetensors"
PATTERN = re.compile(r"step-(\d{8})\.safetensors")
KEPT = 2

Moments = dict[str, dict]  # name of a parameter -> what its optimiser remembers of it


class Checkpoint(NamedTuple):
    """What was read. scaler: state of the GradScaler, {} where none was needed."""

    path: Path
    weights: dict[str, Tensor]
    moments: Moments
    history: list[dict]
    scaler: dict
    machine: dict


def machine(processes: int = 1, device: str = "", precision: str = "") -> dict:
    """What bit-identical sums depend on besides the recipe. precision: what "auto" came to."""
    return {
        "threads": torch.get_num_threads(),
        "processes": processes,
        "torch": torch.__version__,
        "device": device,
        "precision": precision,
    }


def save_checkpoint(
    folder: Path,
    weights: dict[str, Tensor],
    moments: Moments,
    recipe: Recipe,
    history: list[dict],
    *,
    scaler: dict,
    machine: dict,
    kept: list[Path],
) -> Path:
    """Write everything needed to go on after `len(history)` steps.

    kept: checkpoints of this run on disk, oldest first; the new one is added, and every other
    checkpoint but the last two of them is removed. Raises OSError, with the old checkpoints
    untouched, when the disk is full.
    """
    tensors = {f"model/{name}": value for name, value in weights.items()}
    numbers = {}
    for name, state in moments.items():
        for key, value in state.items():
            place = tensors if isinstance(value, Tensor) else numbers
            place[f"optimiser/{name}/{key}"] = value
    header = {
        "recipe": recipe.to_dict(),
        "history": history,
        "optimiser": numbers,
        "scaler": scaler,
        "machine": machine,
    }
    path = folder / f"step-{len(history):08d}.safetensors"
    try:
        write_whole(path, tensors, {"training": json.dumps(header)})
    except OSError as error:
        there = f"{kept[-1].name} is as it was" if kept else "there is no earlier one"
        raise OSError(
            f"{path}, the checkpoint after step {len(history)}, could not be written ({error}); "
            f"{there}. Make room and start the same command again"
        ) from error
    if path in kept:
        kept.remove(path)
    kept.append(path)
    for _, old in checkpoints(folder):
        if old not in kept[-KEPT:]:
            old.unlink(missing_ok=True)
    del kept[:-KEPT]
    return path


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """(step, file) of all checkpoints in a folder, oldest first."""
    found = [(PATTERN.fullmatch(path.name), path) for path in folder.glob("step-*.safetensors")]
    return sorted((int(match[1]), path) for match, path in found if match)


def find_checkpoint(folder: Path, recipe: Recipe, *, processes: int = 1) -> Checkpoint | None:
    """The newest checkpoint in a folder that can be read, or None.

    Warns of each one that cannot be read, and when the thread or process count was another (the
    run goes on, but its sums may differ in the last bit). Raises ValueError, listing what differs,
    when it was made by another recipe.
    """
    shutil.rmtree(folder / PART, ignore_errors=True)  # what a killed run was writing
    for _, path in reversed(checkpoints(folder)):
        try:
            tensors, metadata = read_safetensors(path)
            header = json.loads(metadata["training"])
        except (ValueError, KeyError) as error:
            warnings.warn(f"{path} is passed over: {error}", stacklevel=2)
            continue
        mine = json.loads(json.dumps(recipe.to_dict()))  # as it reads back: tuples become lists
        theirs = header["recipe"]
        differs = [k for k in {**theirs, **mine} if theirs.get(k) != mine.get(k)]
        if differs:
            listed = "; ".join(
                f"{k}: {theirs.get(k)!r} there, {mine.get(k)!r} now" for k in differs
            )
            raise ValueError(
                f"{path} was made by another recipe ({listed}). Use the same recipe, another "
                "folder, or do not resume (resume=False, --resume never)"
            )
        here = machine(processes)
        for what in ("threads", "processes", "torch"):
            if header["machine"].get(what) != here[what]:
                warnings.warn(
                    f"{path.name} was written with {what}: {header['machine'].get(what)}, now it is"
                    f" {here[what]}. The run goes on, but not bit for bit as it would have",
                    stacklevel=2,
                )
        return Checkpoint(
            path,
            {k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")},
            _nested({**tensors, **header["optimiser"]}),
            header["history"],
            header["scaler"],
            header["machine"],
        )
    return None


def _nested(flat: dict) -> Moments:
    nested: Moments = {}
    for key, value in flat.items():
        if key.startswith("optimiser/"):
            _, name, entry = key.split("/")
            nested.setdefault(name, {})[entry] = value
    return nested


def moments_of(model: nn.Module, optimiser: torch.optim.Optimizer) -> Moments:
    """The optimiser's memory by the names of the model's parameters."""
    return {name: dict(optimiser.state[p]) for name, p in _trained(model, optimiser)}


def put_moments(model: nn.Module, optimiser: torch.optim.Optimizer, moments: Moments) -> None:
    """The way back. Raises ValueError naming a parameter that this optimiser does not train."""
    state = optimiser.state_dict()
    names = [name for name, _ in _trained(model, optimiser, all_of_them=True)]
    order = {name: i for i, name in enumerate(names)}
    unknown = sorted(moments.keys() - order.keys())
    if unknown:
        raise ValueError(
            f"the checkpoint remembers {unknown[0]!r}, which is not trained here: were other "
            "blocks frozen?"
        )
    state["state"] = {order[name]: entry for name, entry in moments.items()}
    optimiser.load_state_dict(state)


def _trained(model, optimiser, all_of_them: bool = False) -> list[tuple[str, nn.Parameter]]:
    names = {id(p): name for name, p in model.named_parameters()}
    params = [p for group in optimiser.param_groups for p in group["params"]]
    return [(names[id(p)], p) for p in params if all_of_them or p in optimiser.state]
