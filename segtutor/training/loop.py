"""The training loop, from top to bottom.

Implements  : Segmenter section 4.2, SETR section 4.1 (optimiser, schedule, loss)
Taught in   : chapter 00 runs it, chapter 13 explains each line
Official    : Segmenter: SGD with Nesterov momentum, one learning rate. SETR: SGD without Nesterov,
              ten times the rate for the heads. `Recipe` holds either.

Everything random is a function of (seed, step): data order and augmentation (data/loading.py), and
dropout, because torch is seeded anew at every step. A run that was interrupted and resumed ends
with the same weights.

One process or many: `segtutor train` or a notebook starts one, `accelerate launch` and `torchrun`
start several, on one machine or more, which must then see the same output folder. What they need
to train as one is in distributed.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from segtutor.data.dataset import SegmentationData
from segtutor.data.loading import batch_names, batches, number
from segtutor.models import SegmentationModel
from segtutor.training import distributed as crew
from segtutor.training.checkpoint import BEST, find_checkpoint, machine, save_checkpoint
from segtutor.training.interrupt import StopAsked
from segtutor.training.logs import Log
from segtutor.training.precision import gradient_scaler
from segtutor.training.recipes import Recipe
from segtutor.training.schedule import rate
from segtutor.weights.files import load_strictly, write_whole


def train(
    model: SegmentationModel,
    data: SegmentationData,
    recipe: Recipe,
    *,
    transform: nn.Module | None = None,
    out_dir: str | Path | None = None,
    resume: bool | str = True,
    save_every: int = 500,
    workers: int = 0,
    verbose: bool = True,
    evaluate: Callable[[SegmentationModel], dict] | None = None,
    evaluate_every: int | None = None,
    log_dir: str | Path | None = None,
) -> list[dict]:
    """Train in place. Returns one dict per step: step, loss, lr, seconds (wall time since the
    start of this call), and miou where the model was evaluated after it.

    transform: joint augmentation, see data.transforms.augment. out_dir: where log.jsonl, the last
    two checkpoints and the best model are kept (None: nowhere); with `resume` (True, or "auto"),
    the newest whole checkpoint found there is continued. workers: processes that prepare batches.
    evaluate: called with the model in evaluation mode every `evaluate_every` steps and after the
    last one; returns a dict with "miou". log_dir: TensorBoard's folder.

    Raises PermissionError when out_dir cannot be written, FloatingPointError, before the weights
    are touched, when loss or gradient is not finite, OSError when a checkpoint cannot be written,
    KeyboardInterrupt after Ctrl-C, when the step is done and saved.
    """
    from accelerate import Accelerator

    on_cpu = not torch.cuda.is_available()  # several processes without a GPU must be told so
    accelerator = Accelerator(cpu=on_cpu, mixed_precision="no", device_placement=False)
    processes, rank = accelerator.num_processes, accelerator.process_index
    verbose = verbose and rank == 0
    if verbose:
        print(recipe)
    out_dir = writable(out_dir) if out_dir else None
    found = find_checkpoint(out_dir, recipe, processes=processes) if out_dir and resume else None
    if found:
        load_strictly(model, found.weights, source=str(found.path))
    trained = crew.place(model, recipe, accelerator)
    device = next(model.parameters()).device if processes == 1 else accelerator.device
    precision = crew.settle_precision(recipe, device, accelerator, found)
    here = machine(processes, device.type, precision)
    scaler = gradient_scaler(precision, device)
    economise(trained, recipe)
    network = crew.Objective(trained, recipe, data.ignore, precision)
    network, optimiser = accelerator.prepare(network, make_optimiser(trained, recipe))
    if found:
        crew.restore_moments(accelerator, network, optimiser, found.moments)
        scaler.load_state_dict(found.scaler) if found.scaler else None
    history, kept = (found.history, [found.path]) if found else ([], [])
    resumed = len(history)
    mine = range(rank * recipe.accumulate, (rank + 1) * recipe.accumulate)  # pieces of each batch
    stream = batches(
        data,
        batch=recipe.batch,
        steps=recipe.steps,
        transform=transform,
        normalisation=model.config.normalisation,
        seed=recipe.seed,
        start=resumed,
        workers=workers,
        pieces=processes * recipe.accumulate,
        take=tuple(mine),
        pin_memory=device.type == "cuda",
    )
    log = Log(out_dir if rank == 0 else None, log_dir if rank == 0 else None, history)
    on_a_page = bool(os.environ.get("SEGTUTOR_PAGE"))  # set by the notebook runner: no bar in print
    hidden = on_a_page or not verbose
    bar = tqdm(total=recipe.steps, initial=resumed, desc="train", disable=hidden)
    began = time.perf_counter()
    network.train()
    with StopAsked(active=out_dir is not None) as asked, contextlib.closing(log), bar:
        for step in range(resumed, recipe.steps):
            lr = set_rates(optimiser, recipe, step)
            micro = list(islice(stream, recipe.accumulate))  # images (B, 3, H, W), labels (B, H, W)
            shares = crew.weights_of([y for _, y in micro], recipe, data.ignore, accelerator)
            optimiser.zero_grad(set_to_none=True)
            loss = torch.zeros((), device=device)
            for piece, (images, labels), share in zip(mine, micro, shares, strict=True):
                torch.manual_seed(number(recipe.seed, step, *([piece] if piece else [])))  # dropout
                images, labels = (t.to(device, non_blocking=True) for t in (images, labels))
                last = piece == mine[-1]  # gradients travel between processes only with this one
                with contextlib.nullcontext() if last else accelerator.no_sync(network):
                    part = network(images, labels, share)
                    scaler.scale(part).backward()
                loss += part.detach()
            norm = gradient_norm(trained) if not scaler.is_enabled() else torch.zeros(())
            value, finite, stop = crew.agree(accelerator, loss, norm, asked.now)
            if not finite:
                names = batch_names(data, step, batch=recipe.batch, seed=recipe.seed)
                raise FloatingPointError(not_finite(value, step, lr, names, kept))
            scaler.step(optimiser.optimizer)
            scaler.update()

            seconds = time.perf_counter() - began
            history.append({"step": step, "loss": value, "lr": lr, "seconds": seconds})
            done = step + 1 == recipe.steps
            due = evaluate and (done or (evaluate_every and (step + 1) % evaluate_every == 0))
            save = out_dir and (done or stop or (step + 1) % save_every == 0)
            if due or save:
                weights, moments = crew.whole_state(accelerator, network, optimiser)
            if due:
                crew.take_back(accelerator, model, weights)
                history[-1]["miou"] = float(evaluate(model.eval())["miou"])
                network.train()
                if out_dir and rank == 0 and is_best(history):
                    about = {"segtutor": json.dumps(model.config.to_dict())}
                    write_whole(out_dir / BEST, weights, about)
            log.write(history[-1])
            if verbose:
                report(bar, history, recipe, resumed)
            if save and rank == 0:
                save_checkpoint(out_dir, weights, moments, recipe, history,
                                scaler=scaler.state_dict(), machine=here, kept=kept)  # fmt: skip
            if stop and not done:
                accelerator.wait_for_everyone()
                raise KeyboardInterrupt(
                    f"stopped after step {step + 1} of {recipe.steps}, which is saved in {out_dir}:"
                    " start the same command (in a notebook: call train) again to go on"
                )
    if crew.sharded(accelerator) and resumed < recipe.steps:
        crew.take_back(accelerator, model, crew.whole_state(accelerator, network, optimiser)[0])
    accelerator.wait_for_everyone()
    model.eval()
    return history


def economise(model: SegmentationModel, recipe: Recipe) -> None:
    """The recipe's trades of time for memory and of waiting for speed, made in place."""
    blocks = getattr(model.encoder, "blocks", None)
    if recipe.checkpoint_activations and blocks is None:
        raise ValueError(
            "checkpoint_activations needs an encoder of transformer blocks, which this model has "
            "not: set it to False"
        )
    if blocks is not None:
        model.encoder.checkpointing = recipe.checkpoint_activations
    if recipe.compile:
        for part in [*(blocks or [model.encoder]), model.decoder]:  # equal blocks compile once
            part.compile()


def make_optimiser(model: SegmentationModel, recipe: Recipe) -> torch.optim.Optimizer:
    """Two parameter groups: encoder and neck (in SETR's code one backbone), and the heads behind
    them, whose rate starts `head_lr` times as high.
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
    for group in optimiser.param_groups:
        group["lr"] = rate(recipe, step, group["lr_factor"])
    return rate(recipe, step)


def gradient_norm(model: nn.Module) -> torch.Tensor:
    """Length of the gradient of all parameters together, ()."""
    norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # FSDP: of all processes


def is_best(history: list[dict]) -> bool:
    """Is the last evaluation above all earlier ones?"""
    *before, last = [row["miou"] for row in history if "miou" in row]
    return last == last and not any(earlier >= last for earlier in before)  # nan is never


def not_finite(loss: float, step: int, lr: float, names: list[str], kept: list[Path]) -> str:
    """The message about a loss or gradient that is no number."""
    saved = f"; {kept[-1]} is from before and good" if kept else ""
    bad = loss != loss or abs(loss) == float("inf")
    what = f"loss is {loss}" if bad else "the gradient is not finite"
    return (
        f"{what} at step {step} (learning rate {lr:.2g}): lower the learning rate or add warm-up. "
        f"The weights have not taken this step{saved}. Samples of its batch: {', '.join(names)}"
    )


def report(bar: tqdm, history: list[dict], recipe: Recipe, resumed: int) -> None:
    """Loss, rate and speed on the progress bar; where there is no bar (a page being made), ten
    lines in all.
    """
    last, done = history[-1], len(history)
    speed = (done - resumed) * recipe.batch / max(last["seconds"], 1e-9)
    if not bar.disable:
        bar.update()
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
