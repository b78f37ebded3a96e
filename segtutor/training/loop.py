"""The training loop, from top to bottom.

Implements  : Segmenter section 4.2, SETR section 4.1 (optimiser, schedule, loss)
Taught in   : chapter 00 runs it, chapter 13 explains each line
Official    : Segmenter: SGD with Nesterov momentum, one learning rate. SETR: SGD without Nesterov,
              ten times the rate for the heads. `Recipe` holds either.

Everything random is a function of (seed, step): data order and augmentation (data/loading.py), and
dropout, because torch is seeded anew at every step. A run that was interrupted and resumed ends
with the same weights.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from segtutor.data.dataset import SegmentationData
from segtutor.data.loading import batches, number
from segtutor.models import SegmentationModel
from segtutor.training.checkpoint import load_checkpoint, save_checkpoint
from segtutor.training.losses import loss_from_coarse
from segtutor.training.precision import autocast
from segtutor.training.recipes import Recipe
from segtutor.training.schedule import poly


def train(
    model: SegmentationModel,
    data: SegmentationData,
    recipe: Recipe,
    *,
    transform: nn.Module | None = None,
    out_dir: str | Path | None = None,
    resume: bool = True,
    save_every: int = 500,
    workers: int = 0,
    verbose: bool = True,
) -> list[dict]:
    """Train in place. Returns one dict per step: step, loss, lr, seconds (wall time since the
    start of this call).

    transform: joint augmentation, see data.transforms.augment. out_dir: where a checkpoint is kept
    (None: nowhere); with `resume`, a checkpoint found there is continued. workers: processes that
    prepare batches. Raises PermissionError when out_dir cannot be written, FloatingPointError when
    the loss is not finite.
    """
    if verbose:
        print(recipe)
    device = next(model.parameters()).device
    optimiser = make_optimiser(model, recipe)
    out_dir = writable(out_dir) if out_dir else None
    history = load_checkpoint(out_dir, model, optimiser, recipe) if out_dir and resume else []
    stream = batches(
        data,
        batch=recipe.batch,
        steps=recipe.steps,
        transform=transform,
        normalisation=model.config.normalisation,
        seed=recipe.seed,
        start=len(history),
        workers=workers,
    )
    class_weights = (
        torch.tensor(recipe.class_weights, device=device) if recipe.class_weights else None
    )
    model.train()
    began = time.perf_counter()
    resumed = len(history)
    on_a_page = bool(os.environ.get("SEGTUTOR_PAGE"))  # set by the notebook runner: no bar in print
    hidden = on_a_page or not verbose
    bar = tqdm(stream, total=recipe.steps, initial=resumed, desc="train", disable=hidden)
    for step, (images, labels) in enumerate(bar, start=resumed):
        torch.manual_seed(number(recipe.seed, step))  # dropout and drop path of this step
        lr = set_rates(optimiser, recipe, step)

        images, labels = images.to(device), labels.to(device)  # (B, 3, H, W), (B, H, W)
        with autocast(recipe.precision, device):
            coarse = model.coarse(images)  # scores (B, K, h, w)
        loss = loss_from_coarse(
            coarse,
            labels,
            ignore=data.ignore,
            mean=recipe.loss_mean,
            aux_weight=recipe.aux_weight,
            class_weights=class_weights,
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

        value = loss.item()
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"loss is {value} at step {step} (learning rate {lr:.2g}): "
                "lower the learning rate or add warm-up"
            )
        seconds = time.perf_counter() - began
        history.append({"step": step, "loss": value, "lr": lr, "seconds": seconds})
        if verbose:
            report(bar, history, recipe, resumed)
        if out_dir and ((step + 1) % save_every == 0 or step + 1 == recipe.steps):
            save_checkpoint(out_dir, model, optimiser, recipe, history)
    model.eval()
    return history


def make_optimiser(model: SegmentationModel, recipe: Recipe) -> torch.optim.Optimizer:
    """Two parameter groups: encoder and neck (in SETR's code one backbone), and the heads behind
    them, whose rate is `head_lr` times as high.
    """
    backbone = [module for module in (model.encoder, model.neck) if module is not None]
    encoder = {id(p) for module in backbone for p in module.parameters()}
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) in encoder], "lr_factor": 1.0},
        {"params": [p for p in trained if id(p) not in encoder], "lr_factor": recipe.head_lr},
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        groups,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


def set_rates(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int) -> float:
    """Give every parameter group its learning rate of this step. Returns the base rate."""
    lr = poly(step, steps=recipe.steps, lr=recipe.lr, floor=recipe.floor, power=recipe.power,
              warmup=recipe.warmup)  # fmt: skip
    for group in optimiser.param_groups:
        group["lr"] = lr * group["lr_factor"]
    return lr


def report(bar: tqdm, history: list[dict], recipe: Recipe, resumed: int) -> None:
    """Loss, rate and speed on the progress bar; where there is no bar (a page being made), ten
    lines in all.
    """
    last, done = history[-1], len(history)
    speed = (done - resumed) * recipe.batch / max(last["seconds"], 1e-9)
    if not bar.disable:
        bar.set_postfix(loss=f"{last['loss']:.3f}", lr=f"{last['lr']:.1e}", images_s=f"{speed:.1f}")
    elif done % max(1, recipe.steps // 10) == 0 or done == recipe.steps:
        eta = (recipe.steps - done) * recipe.batch / speed
        print(f"step {done:5d}/{recipe.steps}  loss {last['loss']:.3f}  lr {last['lr']:.1e}  "
              f"{speed:5.1f} images/s  {eta:4.0f} s to go")  # fmt: skip


def writable(folder: str | Path) -> Path:
    """Make the folder; raise PermissionError that says what to do when it cannot be written."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PermissionError(
            f"cannot write in {folder} ({error.strerror}): choose another output folder"
        ) from error
    return folder
