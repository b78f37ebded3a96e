"""Every training of the SETR paper, and of its repository, that has a number.

Implements  : SETR tables 1, 3, 4, 5 and 6; the repository's table of results. Rows of other methods
              (FCN, Semantic FPN) are none of SETR's trainings.
Taught in   : chapter 13, Training recipes
Official    : paper and repository do not describe the same training. Each run exists twice: with
              the repository's settings, which made the published weights, and, with "-paper" behind
              its name, as the text alone would have it.

                                repository                          paper
    base rate, Cityscapes       0.01; MLA 0.002                     0.01
    base rate, others           0.001; Naive 0.01                   0.001
    rate of the heads           ten times that                      not mentioned: the same
    floor of the rate           1e-4                                not mentioned: 0
    mean of the loss            over all pixels, ignored ones too   not mentioned: counted pixels
    bounds on Cityscapes        2049 x 1025                         2048 x 1024

Both: SGD with momentum 0.9, no Nesterov, no weight decay, auxiliary losses times 0.4 (a number that
only the repository gives), batches of 8 or 16 over 8 GPUs, SyncBN.
"""

from __future__ import annotations

from dataclasses import replace

from segtutor.data.resize import BASES, CROPS
from segtutor.named import MODELS
from segtutor.training.recipes import Recipe
from segtutor.training.runs import Run

CLASSES = {"ade20k": 150, "pascal_context": 60, "cityscapes": 19}
BATCH = {"ade20k": 16, "pascal_context": 16, "cityscapes": 8}  # the usual one
OFFICIAL = dict(floor=1e-4, head_lr=10.0, loss_mean="all", loss_norm="local")
PAPER = dict(floor=0.0, head_lr=1.0, loss_mean="valid", loss_norm="local")

# model, steps / 1000, batch, mIoU single and multi-scale as the paper prints it and where, and as
# the repository does. In percent; None: not there.
TABLE = {
    "ade20k": (
        ("naive-large", 160, 16, (48.18, None, "table 1e"), (48.06, 48.80)),
        ("pup-large", 160, 16, (48.58, 50.09, "tables 1e, 3"), (48.62, 50.09)),
        ("mla-large", 160, 16, (48.64, 50.28, "tables 1e, 3"), (48.64, 50.28)),
        ("mla-large", 160, 8, (48.27, 50.03, "table 3"), (47.79, 50.03)),
        ("pup-deit-base", 160, 16, None, (46.34, 47.30)),
        ("mla-deit-base", 160, 16, None, (46.15, 47.71)),
    ),
    "pascal_context": (
        ("naive-large", 80, 16, None, (52.89, 53.61)),
        ("pup-large", 80, 16, (54.40, 55.27, "table 4"), (54.37, 55.27)),
        ("mla-large", 80, 16, (54.87, 55.83, "table 4"), (55.01, 55.83)),
        ("mla-large", 80, 8, (54.39, 55.39, "table 4"), (54.39, 55.39)),
        ("pup-deit-base", 80, 16, None, (52.00, 52.50)),
        ("mla-deit-base", 80, 16, None, (52.91, 53.74)),
    ),
    "cityscapes": (
        ("naive-large", 40, 8, (77.37, None, "tables 1a, 1e"), (77.37, None)),
        ("naive-large", 80, 8, (77.90, None, "table 1a"), (77.90, None)),
        ("pup-large", 40, 8, (78.39, 81.57, "tables 1a, 1e, 5"), (78.39, None)),
        ("pup-large", 80, 8, (79.34, 82.15, "tables 1a, 5"), (79.34, None)),
        ("mla-large", 40, 8, (76.65, None, "tables 1a, 1e; 1b calls it 80k"), (76.65, None)),
        ("mla-large", 80, 8, (77.24, None, "table 1a"), (77.24, None)),
        ("naive-small", 40, 8, (75.54, None, "table 1d"), (75.54, None)),
        ("naive-small", 80, 8, (76.25, None, "table 1d"), (76.25, None)),
        ("pup-small", 40, 8, (76.71, None, "table 1d"), None),
        ("pup-small", 80, 8, (78.02, None, "table 1d"), None),
        ("mla-small", 40, 8, (75.60, None, "table 1d"), None),
        ("mla-small", 80, 8, (76.87, None, "table 1d"), None),
        ("naive-deit-base", 40, 8, None, (77.85, None)),
        ("naive-deit-base", 80, 8, None, (78.66, None)),
        ("pup-deit-base", 40, 8, None, (78.79, None)),
        ("pup-deit-base", 80, 8, None, (79.45, None)),
        ("mla-deit-base", 40, 8, None, (78.04, None)),
        ("mla-deit-base", 80, 8, None, (78.98, None)),
    ),
}
# Of one kind each: name of the run it varies, suffix, what changes, mIoU, where, and a remark.
IN21K = "vit_large_patch16_224.augreg_in21k"
TESTED = dict(splits=("train", "val"), miou_ss=None)
VARIED = (
    ("pup-large-40k", "random", dict(backbone=""), 42.27, "table 1c", ""),
    ("pup-large-40k", "in21k", dict(backbone=IN21K), 78.39, "table 1c",
     "ImageNet-21k alone; timm's file was trained with AugReg, the paper's without. "),
    ("pup-large-40k", "in21k-in1k", {}, 78.34, "table 1c",
     "As the run without this suffix: the file that the repository loads has a 1000-way head, so "
     "it seems to be this one. "),
    ("pup-large-100k", "test", TESTED, 81.08, "table 6, test server",
     "Neither scales nor whether `val` was trained on are stated; we assume all scales, and yes. "),
    ("pup-large-100k", "test-coarse", {**TESTED, "splits": ("train", "val", "train_extra")}, 81.64,
     "table 6, test server",
     "How fine and coarse labels are mixed, and for how long, is not stated; here all alike. "),
)  # fmt: skip
# initial weights of the ResNet, of the blocks, mIoU after 40k and 80k steps: table 1d
HYBRID = (
    ("in1k", "random", 74.48, 77.36),
    ("in21k", "random", 75.03, 77.57),
    ("in1k", "in21k", 76.76, 76.57),
    ("in21k", "in21k", 76.90, 77.61),
)
BROKEN = (
    "The repository's configuration cannot run, its heads expect 1024 channels of an encoder with "
    "768. Here they fit. "
)
HYBRID_CHOICE = (
    "In the paper only: the repository has no configuration and no working code. The settings are "
    "those of its SETR-Naive. "
)
NO_RESNET_21K = (
    "The ResNet's weights from ImageNet-21k are published nowhere; those of 1k stand in. "
)
OFFICIAL_CHOICE = (
    "Settings of the repository: heads learn ten times as fast, the rate ends at 1e-4, ignored "
    "pixels count in the mean of the loss."
)
PAPER_CHOICE = (
    "Settings of the paper's text: one rate for all, down to zero, the mean over counted pixels. "
    "The model is the repository's."
)


def official_rate(decoder: str, data: str) -> float:
    if data == "cityscapes":
        return 0.002 if decoder == "mla" else 0.01
    return 0.01 if decoder == "naive" else 0.001


def _run(data, model, steps, batch, miou, source) -> Run:
    row = MODELS[f"setr-{model}"]
    decoder = row.config.decoder
    config = replace(row.config, classes=CLASSES[data], image=CROPS[data])
    recipe = Recipe(
        steps=1000 * steps,
        batch=batch,
        lr=official_rate(decoder, data),
        nesterov=False,
        **OFFICIAL,
    )
    broken = (decoder, row.config.size) == ("pup", "base") and data != "cityscapes"
    suffix = f"-{steps}k" + (f"-bs{batch}" if batch != BATCH[data] else "")
    return Run(
        name=f"{data.replace('_', '-')}-{row.name}{suffix}",
        model=config,
        backbone=row.backbone,
        data=data,
        recipe=recipe,
        base=BASES["setr", data],
        test="setr",
        miou_ss=miou[0],
        miou_ms=miou[1],
        source=f"SETR, {source}",
        choice=(BROKEN if broken else "") + OFFICIAL_CHOICE,
        gpus=4 if (decoder, data) == ("naive", "pascal_context") else 8,
    )


def as_in_the_paper(run: Run, miou: tuple[float | None, float | None], source: str) -> Run:
    """The twin of an official run: the paper's learning rate, floor, mean and bounds."""
    city = run.data == "cityscapes"
    recipe = replace(run.recipe, lr=0.01 if city else 0.001, **PAPER)
    return replace(
        run,
        name=f"{run.name}-paper",
        recipe=recipe,
        base=(2048, 1024) if city else run.base,
        miou_ss=miou[0],
        miou_ms=miou[1],
        source=f"SETR, {source}",
        choice=run.choice.replace(OFFICIAL_CHOICE, PAPER_CHOICE),
    )


def _pair(official: Run, paper: tuple[float | None, float | None, str]) -> tuple[Run, Run]:
    return official, as_in_the_paper(official, paper[:2], paper[2])


def setr_runs() -> list[Run]:
    """All of them, official and as in the paper."""
    runs: list[Run] = []
    for data, rows in TABLE.items():
        for model, steps, batch, paper, repository in rows:
            if repository is None:
                runs += _pair(_run(data, model, steps, batch, paper, paper[2]), paper)
                continue
            official = _run(data, model, steps, batch, repository, "repository")
            if paper is None:
                runs.append(official)
                continue
            if official.miou_ms is None and paper[1] is not None:  # the paper's stands alone
                official = replace(official, miou_ms=paper[1], source="SETR, repository; MS: paper")
            runs += _pair(official, paper)
    for like, suffix, changes, miou, source, remark in VARIED:
        model, steps = like.rsplit("-", 1)
        run = _run("cityscapes", model, int(steps[:-1]), 8, (miou, None), source)
        run = replace(run, name=f"{run.name}-{suffix}", choice=remark + OFFICIAL_CHOICE, **changes)
        if "splits" in changes:
            run = replace(run, miou_ms=miou)
        runs += _pair(run, (run.miou_ss, run.miou_ms, source))
    for stem, blocks, *miou in HYBRID:
        for steps, value in zip((40, 80), miou, strict=True):
            run = _run("cityscapes", "hybrid", steps, 8, (value, None), "table 1d")
            remark = HYBRID_CHOICE + (NO_RESNET_21K if stem == "in21k" else "")
            run = replace(
                run,
                name=f"{run.name}-{stem}-{blocks}",
                backbone="setr-hybrid" if blocks == "in21k" else "resnet50.tv_in1k",
                choice=remark + OFFICIAL_CHOICE,
            )
            runs += _pair(run, (value, None, "table 1d"))
    return runs
