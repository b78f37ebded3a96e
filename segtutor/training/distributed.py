"""What several processes need to train as one. With one process, most of it does nothing.

Taught in   : chapter 13, From one GPU to many
Official    : both repositories use PyTorch's DistributedDataParallel, with a mean of its own for
              each process. Ours is DistributedDataParallel or FSDP, whichever Accelerate was told
              (`accelerate launch`, `accelerate config`), or `torchrun`.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from segtutor.models import SegmentationModel, synchronise_batchnorm
from segtutor.training.checkpoint import Checkpoint, Moments, moments_of, put_moments
from segtutor.training.losses import denominator, loss_from_coarse
from segtutor.training.precision import autocast, fastest
from segtutor.training.recipes import Recipe


class Objective(nn.Module):
    """Images and labels in, loss out: what DistributedDataParallel is wrapped around, because it
    notices nothing but a module's `forward`.
    """

    def __init__(self, model: SegmentationModel, recipe: Recipe, ignore: int, precision: str):
        super().__init__()
        self.model, self.recipe = model, recipe
        self.ignore, self.precision = ignore, precision

    def forward(self, images: Tensor, labels: Tensor, weight: float | Tensor = 1.0) -> Tensor:
        """images: (B, 3, H, W). labels: (B, H, W). weight: on the mean over these, see `weight_of`.
        Returns a scalar.
        """
        with autocast(self.precision, images.device):
            coarse = self.model.coarse(images)  # scores (B, K, h, w)
        loss = loss_from_coarse(
            coarse,
            labels,
            ignore=self.ignore,
            mean=self.recipe.loss_mean,
            aux_weight=self.recipe.aux_weight,
            class_weights=weights_on(self.recipe, labels.device),
        )
        return loss * weight


def weights_on(recipe: Recipe, device: torch.device) -> Tensor | None:
    """The recipe's class weights (K,) as a tensor, None if it has none."""
    return torch.tensor(recipe.class_weights, device=device) if recipe.class_weights else None


def counted(labels: Tensor, recipe: Recipe, ignore: int) -> Tensor:
    """How much the labels count: pixels, or the weight they carry. Unlike `losses.denominator` it
    is 0 where all is ignored, so that counts can be added.
    """
    if recipe.loss_mean == "valid" and not bool((labels != ignore).any()):
        return torch.zeros((), dtype=torch.float64)
    weights = weights_on(recipe, labels.device)
    return denominator(labels, ignore, recipe.loss_mean, weights).double()


def weights_of(
    labels: list[Tensor], recipe: Recipe, ignore: int, accelerator
) -> list[float | Tensor]:
    """What each micro-batch's mean is multiplied with, so that the gradients which processes
    average are those of the whole batch's mean ("global"), or of the mean of means ("local").
    """
    pieces = len(labels) * accelerator.num_processes
    if pieces == 1:
        return [1.0]
    if recipe.loss_norm == "local":
        return [1.0 / len(labels)] * len(labels)
    counts = [counted(label, recipe, ignore) for label in labels]
    total = torch.stack(counts).sum().to(accelerator.device, torch.float32)
    total = accelerator.reduce(total, "sum").cpu().double().clamp(min=1e-12)
    return [float(count / total) * accelerator.num_processes for count in counts]


def agree(accelerator, loss: Tensor, norm: Tensor, stop: bool) -> tuple[float, bool, bool]:
    """(mean loss, is everything finite, shall we stop) of all processes together."""
    seen = torch.stack([loss, norm.to(loss), torch.tensor(float(stop)).to(loss)])
    if accelerator.num_processes > 1:
        seen = accelerator.reduce(seen, "sum") / accelerator.num_processes
    value, norm, stop = seen.tolist()
    return value, math.isfinite(value) and math.isfinite(norm), stop > 0


def sharded(accelerator) -> bool:
    """Does each process hold only a part of the weights?"""
    return accelerator.distributed_type.value == "FSDP"


def place(model: SegmentationModel, recipe: Recipe, accelerator) -> SegmentationModel:
    """The model that is trained: on this process's device, BatchNorm synchronised between GPUs. It
    is the one given, in place, except under FSDP, which takes its model apart: there it is a copy.
    """
    kind = accelerator.distributed_type.value
    if kind not in ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP"):
        raise ValueError(
            f"Accelerate is set to {kind}; this loop runs on one device, with "
            "DistributedDataParallel or with FSDP: see `accelerate config`"
        )
    if accelerator.num_processes == 1:
        return model
    if recipe.sync_bn and accelerator.device.type == "cuda":
        synchronise_batchnorm(model, accelerator.num_processes)
    return copy.deepcopy(model) if sharded(accelerator) else model.to(accelerator.device)


def settle_precision(
    recipe: Recipe, device: torch.device, accelerator, before: Checkpoint | None
) -> str:
    """The recipe's precision with "auto" decided: as `before`, if that was on such a device, else
    measured, by the first process for all.
    """
    from accelerate.utils import broadcast_object_list

    precision = fastest(device) if recipe.precision == "auto" else recipe.precision
    if before and recipe.precision == "auto" and before.machine["device"] == device.type:
        precision = before.machine["precision"]
    if accelerator.num_processes > 1:
        precision = broadcast_object_list([precision])[0]
    if precision == "float16" and sharded(accelerator):
        raise ValueError(
            "float16 under FSDP needs a gradient scaler that looks at all shards, which this loop "
            "has not: set precision to bfloat16 or float32"
        )
    return precision


def whole_state(accelerator, network: nn.Module, optimiser) -> tuple[dict[str, Tensor], Moments]:
    """Weights and optimiser moments by the model's own names, gathered from all processes. All of
    them must call this; under FSDP only the first gets the tensors.
    """
    if not sharded(accelerator):
        model = accelerator.unwrap_model(network).model
        return model.state_dict(), moments_of(model, optimiser)
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    weights = accelerator.get_state_dict(network)
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_optimizer_state_dict(network, optimiser.optimizer, options=options)
    moments = state.get("state", {})
    return _without_prefix(weights), _without_prefix(moments)


def restore_moments(accelerator, network: nn.Module, optimiser, moments: Moments) -> None:
    """Give the optimiser back what `whole_state` took down."""
    if not sharded(accelerator):
        put_moments(accelerator.unwrap_model(network).model, optimiser, moments)
        return
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_optimizer_state_dict,
        set_optimizer_state_dict,
    )

    state = get_optimizer_state_dict(network, optimiser.optimizer)  # for the groups; its own shards
    state["state"] = {f"model.{name}": entry for name, entry in moments.items()}
    options = StateDictOptions(full_state_dict=True)  # every process has read all of it
    set_optimizer_state_dict(network, optimiser.optimizer, state, options=options)


def take_back(accelerator, model: SegmentationModel, weights: dict[str, Tensor]) -> None:
    """Under FSDP: fill the model that was given with what its copy has learned, everywhere."""
    from accelerate.utils import broadcast

    if not sharded(accelerator):
        return
    mine = {
        name: broadcast(weights.get(name, own).to(accelerator.device)).cpu()
        for name, own in model.state_dict().items()
    }
    model.load_state_dict(mine)


def _without_prefix(entries: dict) -> dict:
    return {name.removeprefix("model."): value for name, value in entries.items()}
