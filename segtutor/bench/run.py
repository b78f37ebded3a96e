"""A whole bench: which model, which pictures, which tasks, and a record of it all.

Taught in   : the page Speed

`segtutor bench` calls `bench`. What is measured stands in compare.py, how in meter.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from segtutor.bench import meter
from segtutor.bench.compare import TASKS, Contest, compare, own_evaluation, uses_bfloat16
from segtutor.bench.plain import PlainModel, plain_evaluation
from segtutor.config import ModelConfig
from segtutor.data import CamVid, augment, batches, camvid, normalise
from segtutor.data.toyscenes import ToyScenes
from segtutor.models import SegmentationModel, build
from segtutor.named import MODELS
from segtutor.training import Recipe
from segtutor.training.frozen import FrozenTokens, train_on_tokens
from segtutor.upsampling import Size
from segtutor.weights import find_weights, load_model, load_pretrained

WEIGHTS = "deit_tiny_patch16_224"


def bench(
    model: str | ModelConfig,
    *,
    size: int = 512,
    batch: int | str = 4,
    tasks: tuple[str, ...] = TASKS,
    rounds: int = 3,
    photographs: int = 2,
    data_root: str | Path | None = None,
    accuracy: bool = True,
    say: Callable[[str], None] = print,
) -> dict:
    """Measure one model and return the record: settings, one entry a task, accuracy, largest batch.

    model: a name of `segtutor models`, a file of `save_model`, or a configuration (random weights).
    size: side of images and windows. batch: images, or "max": also find the largest that fits, and
    measure with 4. rounds: how often each side runs a task. photographs: of the evaluation loop,
    `size` x 4/3 `size`. accuracy: also compare mIoU on CamVid, where it and DeiT-Tiny are at hand.
    say: is told each task's ratio as soon as it is known.
    Raises ValueError for an unknown model or task.
    """
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise ValueError(f"unknown task {unknown}; there are {', '.join(TASKS)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    ours = find_model(model, size).to(device)
    count = 4 if batch == "max" else int(batch)
    contest, pictures = prepare(ours, size, count, photographs, device, data_root)
    dtype = torch.bfloat16 if uses_bfloat16(contest) else torch.float32
    rate = meter.matrix_rate(device, dtype)
    results = []
    for task in tasks:
        results.append(compare(contest, task, rounds, rate))
        say(f"{task}: {results[-1].faster:.2f} times the images/s of the plain version")
    return {
        "model": Path(model).name if isinstance(model, str) else f"{model.family}-{model.decoder}",
        "size": size,
        "batch": count,
        "classes": ours.config.classes,
        "precision": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "matrix_gflops_s": rate / 1e9,
        "pictures": pictures,
        "results": [result.to_dict() for result in results],
        "largest_batch": largest(contest) if batch == "max" else None,
        "accuracy": camvid_accuracy(ours.config, data_root) if accuracy else None,
    }


def find_model(model: str | ModelConfig, size: int) -> SegmentationModel:
    """By name or configuration with random weights, made for the size; or from a file."""
    if isinstance(model, str) and model not in MODELS:
        if not Path(model).is_file():
            raise ValueError(f"no model or file named {model!r}; models: {', '.join(MODELS)}")
        return load_model(model)
    config = MODELS[model].config if isinstance(model, str) else model
    return build(replace(config, image=(size, size)))


def prepare(
    ours: SegmentationModel,
    size: int,
    count: int,
    photographs: int,
    device: torch.device,
    data_root: str | Path | None,
) -> tuple[Contest, str]:
    """Photographs of CamVid, or painted scenes, brought to size; labels in blocks of random
    classes, a tenth of them ignored. Returns the contest and a sentence about the pictures.
    """
    real = camvid.available(data_root)
    if real:
        data = CamVid("test", data_root)
    else:
        data = ToyScenes("test", size=(120, 160), length=max(count, photographs))
    classes, normalisation = ours.config.classes, ours.config.normalisation

    def picture(i: int, shape: Size) -> Tensor:
        image = normalise(data[i % len(data)].image[None].to(device), normalisation)
        return F.interpolate(image, size=shape, mode="bilinear")  # (1, 3, H, W)

    def truth(shape: Size) -> Tensor:
        blocks = torch.randint(classes, (1, 1, shape[0] // 16, shape[1] // 16))
        blocks[torch.rand(blocks.shape) < 0.1] = 255
        return F.interpolate(blocks.float(), size=shape)[0, 0].long()  # (H, W)

    wide = (size, size * 4 // 3)
    contest = Contest(
        ours,
        images=torch.cat([picture(10 * i, (size, size)) for i in range(count)]),
        labels=torch.stack([truth((size, size)) for _ in range(count)]).to(device),
        photographs=[picture(10 * i, wide) for i in range(photographs)],
        truths=[truth(wide) for _ in range(photographs)],
    )
    return contest, "CamVid's test photographs, resized" if real else "ToyScenes, resized"


def largest(contest: Contest) -> dict[str, dict[str, int]]:
    """Largest batch of each side that predicts, and that trains."""
    image, label = contest.images[:1], contest.labels[:1]

    def work(task: str, side: str, batch: int) -> None:
        contest.images = image.expand(batch, -1, -1, -1)
        contest.labels = label.expand(batch, -1, -1)
        contest.run(task, side)
        contest.optimisers[side].zero_grad(set_to_none=True)

    return {
        task: {
            side: meter.largest_batch(lambda b, t=task, s=side: work(t, s, b), contest.device)
            for side in ("ours", "plain")
        }
        for task in ("predict", "train")
    }


def camvid_accuracy(
    config: ModelConfig,
    data_root: str | Path | None = None,
    *,
    crops: int = 96,
    steps: int = 60,
    tests: int = 12,
) -> dict | None:
    """mIoU of both sides on CamVid test photographs, None where CamVid or DeiT-Tiny is missing.

    A decoder of the same kind (PUP and MLA with 64 channels) is trained for `steps` steps on tokens
    of DeiT-Tiny that were computed once for `crops` crops: not a good model, but one with answers
    of its own, and both sides are given the same one.
    """
    if not camvid.available(data_root) or find_weights(WEIGHTS, data_root) is None:
        return None
    torch.manual_seed(0)
    crop, how = (192, 192), "imagenet"
    model = build(
        replace(
            config, classes=11, size="tiny", patch=16, image=crop, normalisation=how, backbone="",
            extra_tokens=config.extra_tokens[:1], aux_layers=(), taps=(), hidden=64, head_hidden=32,
            decoder_width=None, decoder_heads=None,
        )
    )  # fmt: skip
    load_pretrained(model.encoder, WEIGHTS, data_root=data_root, download=False)
    train, test = CamVid("train", data_root), CamVid("test", data_root)
    transform = augment(crop, normalisation=how, scale=(0.7, 1.4))
    some = batches(
        train, batch=8, steps=-(-crops // 8), transform=transform, normalisation=how, seed=0
    )
    readers = [*model.heads(), *([model.neck] if model.neck is not None else [])]
    layers = {i for reader in readers for i in reader.layers}
    frozen = FrozenTokens(model.encoder, some, layers=layers)
    train_on_tokens(
        model, frozen, Recipe(steps=steps, batch=8, lr=1e-3, optimiser="adamw", warmup=10)
    )
    samples = [test[i] for i in range(0, len(test), max(1, len(test) // tests))][:tests]
    photographs = [normalise(s.image[None], how) for s in samples]
    task = photographs, [s.label for s in samples]
    ours, labels = own_evaluation(model, *task, crop, 11)
    plain, others = plain_evaluation(PlainModel(model, crop).eval(), *task, crop, 11)
    same = [(a == b).float().mean().item() for a, b in zip(labels, others, strict=True)]
    return {
        "miou_ours": ours.result()["miou"],
        "miou_plain": plain.result()["miou"],
        "same_labels": sum(same) / len(same),
        "photographs": len(samples),
        "steps": steps,
    }
