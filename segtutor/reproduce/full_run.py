"""A benchmark from `data check` to a line in the ledger: what the "Full training" notebooks share.

Taught in   : train_ade20k, train_pascal_context, train_cityscapes

A notebook opens a place with data (the benchmark, or a miniature painted now), takes a published
run, shrinks it unless it is to be run in full, trains, tests by both protocols, records. On the
command line `segtutor data check`, `segtutor train` and `segtutor evaluate` are the same steps.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from segtutor.data.check import reader
from segtutor.data.dataset import Sample, SegmentationData
from segtutor.data.miniature import write_miniature
from segtutor.evaluation import answers, evaluate_protocol, report
from segtutor.models import SegmentationModel
from segtutor.reproduce.ledger import append, read
from segtutor.reproduce.mini import at_hand, mini
from segtutor.reproduce.shrunk import SHRUNK, choose_run, differences, original, shrunk
from segtutor.reproduce.trainings import write_run
from segtutor.training.assemble import Parts, assemble
from segtutor.training.loop import train, writable
from segtutor.training.published import Run, find_run, override, protocols
from segtutor.weights import load_model, save_model

__all__ = [
    "Place",
    "asked",
    "both_tests",
    "choose_run",
    "comparison",
    "differences",
    "look_again",
    "open_place",
    "ready",
    "record",
    "shrunk",
    "train_run",
    "trained_model",
]
WEIGHTS = "model.safetensors"


class Place(NamedTuple):
    """root: the data_root to read from. generated: is it a miniature? sentence: for the page."""

    root: str | Path | None
    generated: bool
    sentence: str


def open_place(
    name: str,
    data_root: str | Path | None,
    out_dir: str | Path,
    *,
    generate: bool,
    needed: bool = False,
    count: int = 12,
    seed: int = 0,
) -> Place:
    """Where data set `name` is read from. generate: write a miniature under out_dir, whether the
    real one is here or not. needed: raise FileNotFoundError where it is not, instead of generating.
    count: photographs per split of a miniature.
    """
    if not generate or needed:
        try:
            counts = {split: len(reader(name)(split, data_root)) for split in ("train", "val")}
        except FileNotFoundError as error:
            if needed:
                raise FileNotFoundError(
                    f"{error}. A recipe needs the real data: `segtutor data prepare {name}`"
                ) from error
        else:
            listed = ", ".join(f"{count} of {split}" for split, count in counts.items())
            return Place(data_root, False, f"This page was made with {name} itself: {listed}.")
    root = write_miniature(name, writable(Path(out_dir) / "miniature"), count=count, seed=seed)
    why = "because this profile asks for it" if generate else f"because {name} is not here"
    return Place(
        root,
        True,
        f"This page was made with a **miniature**, {why}: {count} painted scenes per split of "
        "96 x 128 pixels, with the files, names and codes of the real data set. It shows that "
        "every step runs. Its scores say nothing about the benchmark or the model.",
    )


def asked(
    recipe: str,
    changes: dict[str, str] | None,
    *,
    profile: str,
    seed: int,
    data_root: str | Path | None = None,
) -> Run:
    """The run that the parameters of notebooks/reproduce/run.ipynb describe.

    changes: overrides as text, {} for the run as it is published; None: that on a GPU, elsewhere
    its miniature on what is at hand. In the smoke profile four steps of whatever it is.
    """
    run = find_run(recipe)
    if changes is None:
        changes = {} if profile == "gpu" else mini(run, **at_hand(data_root))
    run = override(run, changes)
    recipe_of = replace(run.recipe, seed=seed)
    if profile == "smoke":
        recipe_of = replace(recipe_of, steps=4, batch=2, warmup=1)
    return replace(run, recipe=recipe_of)


def ready(run: Run, data_root: str | Path | None) -> tuple[Run, Parts]:
    """The run with what `assemble` makes of it. A shrunk run whose pretrained weights are neither
    here nor to be had starts from random ones, which its `backbone` then says; a published run
    raises.
    """
    try:
        return run, assemble(run, data_root)
    except OSError:
        if not run.backbone or not run.name.endswith(SHRUNK):
            raise
        run = replace(run, backbone="")
        return run, assemble(run, data_root)


def train_run(
    run: Run,
    data_root: str | Path | None,
    out_dir: str | Path,
    *,
    processes: int = 1,
    workers: int = 0,
    save_every: int = 1000,
) -> list[dict]:
    """Train a run, or go on with it, into out_dir: log.jsonl, checkpoints, model.safetensors.
    Returns the rows of the log.

    processes: GPUs; more than one are started by accelerate.notebook_launcher, before which this
    process must not have touched a GPU.
    """
    arguments = (run, data_root, str(writable(out_dir)), workers, save_every)
    if processes > 1:
        from accelerate import notebook_launcher

        notebook_launcher(_train, arguments, num_processes=processes)
    else:
        _train(*arguments)
    return read(Path(out_dir) / "log.jsonl")


def _train(run: Run, data_root, out_dir: str, workers: int, save_every: int) -> None:
    """What each process does."""
    parts = assemble(run, data_root)
    local = int(os.environ.get("LOCAL_RANK", 0))
    model = parts.model.to(f"cuda:{local}" if torch.cuda.is_available() else "cpu")
    train(
        model,
        parts.train_data,
        parts.recipe,
        transform=parts.transform,
        out_dir=out_dir,
        save_every=save_every,
        workers=workers,
    )
    if int(os.environ.get("RANK", 0)) == 0:
        write_run(out_dir, run, parts.weights)
        print(f"started from: {parts.weights}")
        save_model(model, Path(out_dir) / WEIGHTS)


def trained_model(out_dir: str | Path) -> SegmentationModel:
    """The model that `train_run` left, ready for testing, on the GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load_model(Path(out_dir) / WEIGHTS).to(device).eval()


def both_tests(
    model: SegmentationModel,
    data: SegmentationData,
    run: Run,
    *,
    limit: int | None,
    batch: int,
    multi: bool = True,
) -> dict[str, dict]:
    """{"single": report, "multi": report} by the run's two protocols. limit: photographs. multi:
    the second too?
    """
    found = {}
    names = ("single", "multi") if multi else ("single",)
    for name, protocol in zip(names, protocols(run), strict=False):
        scores = evaluate_protocol(model, data, protocol, batch=batch, limit=limit)
        found[name] = report(scores, data, protocol, model=run.name, extremes=2)
    return found


def look_again(
    model: SegmentationModel, data: SegmentationData, run: Run, images: Sequence[dict]
) -> list[tuple[Sample, Tensor]]:
    """(sample, prediction) of images that a report lists as best or worst, at a single scale."""
    return list(answers(model, (data[entry["index"]] for entry in images), protocols(run)[0]))


def comparison(run: Run, published: Run, found: dict[str, dict]) -> str:
    """mIoU of both tests beside what is published for the full run, as a Markdown table."""

    def cell(value: float | None) -> str:
        return "not published" if value is None else f"{value:.2f}"

    theirs = {"single": published.miou_ss, "multi": published.miou_ms}
    lines = [
        "| test | images | mIoU here, % | pixel accuracy here, % | published mIoU, % |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {f['images']} | {100 * f['miou']:.2f} | {100 * f['pixel_accuracy']:.2f} "
        f"| {cell(theirs[name])} |"
        for name, f in found.items()
    ]
    return "\n".join(lines)


def record(
    ledger: str | Path,
    run: Run,
    place: Place,
    history: list[dict],
    found: dict[str, dict],
    *,
    notebook: str,
    profile: str,
) -> dict:
    """Append the run to a ledger; returns the line."""
    line = {
        "notebook": notebook,
        "profile": profile,
        "run": run.name,
        "data": f"miniature of {run.data}" if place.generated else run.data,
        "seed": run.recipe.seed,
        "steps": len(history),
        "seconds_of_training": round(history[-1]["seconds"], 1),
        "loss": history[-1]["loss"],
        "images": found["single"]["images"],
        **{f"miou_{name}": f["miou"] for name, f in found.items()},
        **{f"pixel_accuracy_{name}": f["pixel_accuracy"] for name, f in found.items()},
        "settings": {key: str(ours) for key, ours, _ in differences(run, original(run))},
    }
    return append(ledger, line)
