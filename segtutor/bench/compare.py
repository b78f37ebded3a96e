"""Ours against the plain version: same weights, same process, same threads, in turn.

Taught in   : the page Speed

Each task (predict, train, evaluate) is run by both sides alternately, and the side that begins
changes from round to round, so that a machine that grows slower or is busy with something else
meets both. Medians are compared. Beside each ratio stands what it must not cost: how many pixels
get the same class, how far loss and gradients are apart.
"""

from __future__ import annotations

import copy
import statistics
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from segtutor.bench import meter
from segtutor.bench.plain import PlainModel, plain_evaluation
from segtutor.evaluation import MeanIoU, predict_windows
from segtutor.evaluation.windows import starts
from segtutor.models import SegmentationModel
from segtutor.training.losses import loss_from_coarse
from segtutor.training.precision import autocast, bfloat16_is_faster
from segtutor.upsampling import Size

TASKS = ("predict", "train", "evaluate")
SIDES = ("ours", "plain")


@dataclass(frozen=True)
class Side:
    """One version's numbers for one task. images_s: median. share: of the machine's rate for matrix
    products, counting the model's own operations only. peak_mib: above the loaded model (and, in
    training, above optimiser state); None: the system does not tell.
    """

    images_s: float
    seconds: tuple[float, ...]
    peak_mib: float | None
    share: float


@dataclass(frozen=True)
class Result:
    """One task. agreement: name -> number, see `agreement_*`."""

    task: str
    images: int
    gflops: float
    ours: Side
    plain: Side
    agreement: dict[str, float]

    @property
    def faster(self) -> float:
        return self.ours.images_s / self.plain.images_s

    @property
    def memory(self) -> float | None:
        if self.ours.peak_mib is None or not self.plain.peak_mib:
            return None
        return self.ours.peak_mib / self.plain.peak_mib

    def to_dict(self) -> dict:
        return {**asdict(self), "faster": self.faster, "memory": self.memory}


@dataclass
class Contest:
    """Both versions of one model with what they work on.

    images: (B, 3, H, W), normalised. labels: (B, H, W) int64. photographs, truths: of the
    evaluation loop, each (1, 3, H', W') and (H', W') with no side below H, W.
    """

    ours: SegmentationModel
    images: Tensor
    labels: Tensor
    photographs: list[Tensor]
    truths: list[Tensor]
    precision: str = "auto"

    def __post_init__(self):
        self.device = self.images.device
        self.size: Size = tuple(self.images.shape[-2:])
        self.plain = PlainModel(self.ours, self.size).to(self.device)
        self.optimisers = {  # a rate of 0: all the work of a step, and the weights stay the same
            "ours": torch.optim.SGD(self.ours.parameters(), lr=0.0, momentum=0.9),
            "plain": torch.optim.SGD(self.plain.parameters(), lr=0.0, momentum=0.9),
        }

    def predict(self, side: str) -> Tensor:
        """Class of every pixel of the batch, (B, H, W)."""
        with torch.inference_mode():
            if side == "plain":
                return self.plain.eval().predict(self.images)
            with autocast(self.precision, self.device):
                return self.ours.eval().predict(self.images)

    def loss(self, side: str) -> Tensor:
        if side == "plain":
            return self.plain.loss(self.images, self.labels)
        with autocast(self.precision, self.device):
            coarse = self.ours.coarse(self.images)
        return loss_from_coarse(coarse, self.labels)

    def train(self, side: str) -> None:
        """One step: forward, loss, backward, optimiser."""
        model, optimiser = self._of(side)
        model.train()
        optimiser.zero_grad(set_to_none=True)
        self.loss(side).backward()
        optimiser.step()

    def evaluate(self, side: str) -> list[Tensor]:
        """Predictions (H', W') of all photographs, which are counted against the truths, too.
        Windows are as large as the images and lie beside each other.
        """
        classes, task = self.ours.config.classes, (self.photographs, self.truths)
        if side == "plain":
            return plain_evaluation(self.plain.eval(), *task, self.size, classes)[1]
        with autocast(self.precision, self.device):
            return own_evaluation(self.ours.eval(), *task, self.size, classes)[1]

    def run(self, task: str, side: str) -> object:
        return {"predict": self.predict, "train": self.train, "evaluate": self.evaluate}[task](side)

    def images_of(self, task: str) -> int:
        return len(self.photographs) if task == "evaluate" else len(self.images)

    def _of(self, side: str) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        return (self.ours if side == "ours" else self.plain), self.optimisers[side]

    def agreement(self, task: str) -> dict[str, float]:
        """How far the two answers are apart: share of pixels with the same class, or, with dropout
        and drop path switched off, relative differences of loss and of all gradients (one vector).
        """
        if task != "train":
            pairs = zip(self.run(task, "ours"), self.run(task, "plain"), strict=True)
            same = [(ours == plain).float().mean().item() for ours, plain in pairs]
            return {"same_labels": statistics.fmean(same)}
        losses, gradients = {}, {}
        for side in SIDES:
            model, optimiser = self._of(side)
            optimiser.zero_grad(set_to_none=True)
            _without_chance(model)
            loss = self.loss(side)
            loss.backward()
            losses[side] = loss.item()
            gradients[side] = {
                name.removesuffix(".table"): p.grad  # our position table is a module's
                for name, p in model.named_parameters()
                if p.grad is not None
            }
            optimiser.zero_grad(set_to_none=True)
        ours, plain = gradients["ours"], gradients["plain"]
        shared = [n for n in plain if n in ours and ours[n].shape == plain[n].shape]
        apart = sum((ours[n] - plain[n]).double().square().sum().item() for n in shared)
        length = sum(plain[n].double().square().sum().item() for n in shared)
        return {
            "loss_difference": abs(losses["ours"] - losses["plain"]) / abs(losses["plain"]),
            "gradient_difference": (apart / length) ** 0.5,
        }

    def flops(self, task: str) -> int:
        """What the model alone computes in one call, without upsampling, loss and optimiser."""
        model = copy.deepcopy(self.plain).to("meta").train(task == "train")
        images = torch.empty(len(self.images), 3, *self.size, device="meta")
        if task == "train":
            return meter.count_flops(lambda: sum(x.sum() for x in model.coarse(images)).backward())
        with torch.no_grad():
            count = meter.count_flops(lambda: model.coarse(images))
        if task == "predict":
            return count
        windows = sum(_windows(photo, self.size) for photo in self.photographs)
        return count * windows // len(self.images)


def _windows(photo: Tensor, size: Size) -> int:
    return len(starts(photo.shape[-2], size[0], size[0])) * len(
        starts(photo.shape[-1], size[1], size[1])
    )


def _without_chance(model: torch.nn.Module) -> None:
    """Training mode for what decides which heads run, evaluation mode for all that draws numbers or
    keeps statistics.
    """
    model.eval()
    model.training = True


@torch.inference_mode()
def own_evaluation(
    model: SegmentationModel,
    photographs: list[Tensor],
    labels: list[Tensor],
    window: Size,
    classes: int,
) -> tuple[MeanIoU, list[Tensor]]:
    """Our evaluation loop, with arguments and results of `plain.plain_evaluation`."""
    score, answers = MeanIoU(classes), []
    for image, label in zip(photographs, labels, strict=True):
        answers.append(predict_windows(model, image, window, window)[0].cpu())  # (H, W)
        score.update(answers[-1], label)
    return score, answers


def compare(contest: Contest, task: str, rounds: int = 3, rate: float | None = None) -> Result:
    """Both sides of one task in turn, after one run each that warms up. rate: operations per second
    of the machine's matrix products, None: measured now.
    """
    dtype = torch.bfloat16 if uses_bfloat16(contest) else torch.float32
    rate = rate or meter.matrix_rate(contest.device, dtype)
    agreement = contest.agreement(task)  # warms up as well
    flops, count = contest.flops(task), contest.images_of(task)
    if task == "train":  # the optimiser's state is made in its first step
        for side in SIDES:
            contest.train(side)
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(rounds):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:
            times[side].append(meter.seconds(lambda s=side: contest.run(task, s), contest.device))
    sides = {}
    for side in SIDES:
        typical = statistics.median(times[side])
        contest.optimisers[side].zero_grad(set_to_none=True)  # gradients are part of the step
        sides[side] = Side(
            images_s=count / typical,
            seconds=tuple(times[side]),
            peak_mib=meter.peak_mib(lambda s=side: contest.run(task, s), contest.device),
            share=flops / typical / rate,
        )
    return Result(task, count, flops / 1e9, sides["ours"], sides["plain"], agreement)


def uses_bfloat16(contest: Contest) -> bool:
    """What `precision` means on this device."""
    chosen = contest.precision
    return chosen == "bfloat16" or (chosen == "auto" and bfloat16_is_faster(contest.device.type))
