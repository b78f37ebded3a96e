"""Every training of the Segmenter paper, and of its repository, that has a number.

Implements  : Segmenter tables 2 to 9, one number in the text of section 4.2, the repository's table
              of results. Rows of other methods are left out.
Taught in   : chapter 13, Training recipes
Official    : each run exists twice, with the repository's settings, and with "-paper" behind its
              name as the text alone would have it.

                                repository                          paper
    steps                       whole epochs: 161 728 on ADE20K,    160 000, 80 000, 80 000
                                80 128 on Pascal Context, 80 352 on Cityscapes
    floor of the rate           1e-5                                not mentioned: 0
    momentum                    0.9, Nesterov                       not mentioned: 0.9, plain
    dropout, mask transformer   0.1                                 none

Both: SGD, one rate for all parameters (0.001; Cityscapes 0.01), no weight decay, drop path 0.1,
batches of 8 (Pascal Context: 16). On how many GPUs is not said. Trainings from appendix A (table 9)
exist in the paper only.
"""

from __future__ import annotations

from dataclasses import replace

from segtutor.data.resize import BASES, CROPS
from segtutor.named import MODELS
from segtutor.training.recipes import Recipe
from segtutor.training.runs import Run

CLASSES = {"ade20k": 150, "pascal_context": 60, "cityscapes": 19}
# steps of the repository and of the paper, batch, base learning rate
PLAN = {
    "ade20k": (161_728, 160_000, 8, 1e-3),
    "pascal_context": (80_128, 80_000, 16, 1e-3),
    "cityscapes": (80_352, 80_000, 8, 1e-2),
}
# model, mIoU single and multi-scale in percent (None: not there), where it is printed
TABLE = {
    "ade20k": (
        ("linear-tiny-16", 39.03, None, "table 3"),
        ("linear-small-32", 40.64, None, "table 3"),
        ("linear-small-16", 45.37, None, "tables 2, 3, 5, 9"),
        ("linear-base-32", 43.07, None, "tables 3, 4"),
        ("linear-base-16", 48.06, None, "tables 3, 4"),
        ("linear-base-8", 49.54, 50.5, "tables 3, 4; MS: repository"),
        ("linear-base-deit-16", 47.08, 48.05, "tables 3, 6; 47.10 in table 4"),
        ("linear-large-16", 50.71, 52.25, "tables 3, 4, 6"),
        ("mask-tiny-16", 38.1, 38.8, "repository"),
        ("mask-small-32", None, None, ""),
        ("mask-small-16", 45.3, 46.9, "repository"),
        ("mask-base-32", 44.19, None, "table 4"),
        ("mask-base-16", 48.48, 50.0, "table 4; MS: repository"),
        ("mask-base-8", None, None, ""),
        ("mask-base-deit-16", 48.70, 50.08, "tables 4, 6"),
        ("mask-large-16", 51.30, None, "table 4"),
        ("mask-large-16-640", 51.82, 53.63, "table 6"),
    ),
    "pascal_context": (
        ("linear-base-deit-16", None, 53.9, "table 7"),
        ("mask-base-deit-16", None, 55.0, "table 7"),
        ("linear-large-16", None, 56.5, "table 7"),
        ("mask-large-16", 58.1, 59.0, "table 7; SS: repository"),
    ),
    "cityscapes": (
        ("linear-base-deit-16", None, 80.5, "table 8"),
        ("mask-base-deit-16", None, 80.6, "table 8"),
        ("linear-large-16", None, 80.7, "table 8"),
        ("mask-large-16", 79.1, 81.3, "table 8; SS: repository"),
    ),
}
# Seg-S/16 on ADE20K. Table 2, rows: dropout, columns: drop path; table 5: training images
DROP_PATHS = (0.0, 0.1, 0.2)
DROPOUT = {0.0: (45.01, 45.37, 45.10), 0.1: (42.02, 42.30, 41.14), 0.2: (36.49, 36.63, 35.67)}
IMAGES = {4000: 38.31, 8000: 41.87, 12000: 43.42, 16000: 44.61}  # 20k: the run without suffix
# table 9: weights of the encoder, optimiser, mIoU (pretrained with SGD: the run without suffix)
PRETRAINING = (
    ("random", "adamw", 4.42),
    ("random", "sgd", 12.51),
    ("pretrained", "adamw", 34.77),
)
OFFICIAL_CHOICE = (
    "Settings of the repository: whole epochs, the rate ends at 1e-5, Nesterov momentum, dropout "
    "0.1 in a mask transformer."
)
PAPER_CHOICE = (
    "Settings of the paper's text: round numbers of steps, the rate ends at zero, plain momentum, "
    "no dropout. The model is otherwise the repository's."
)
ADAMW_CHOICE = (
    "In the paper only (appendix A): AdamW, cosine decay, 16 000 steps of linear warm-up; weight "
    "decay is not stated and 0 here. "
)


def _run(data, model, ss, ms, source) -> Run:
    row = MODELS[f"segmenter-{model}"]
    steps, _, batch, lr = PLAN[data]
    base, crop = BASES["segmenter", data], CROPS[data]
    if model.endswith("-640"):  # the bounds grow with the crop
        base, crop = (4 * 640, 640), (640, 640)
    config = replace(row.config, classes=CLASSES[data], image=crop)
    remark = ""
    if (data, row.config.decoder, row.config.size) == ("cityscapes", "mask", "large"):
        config = replace(config, decoder_depth=1)
        remark = "One block in the mask transformer, two did not fit (section 4.4). "
    if not source:
        remark = "Published nowhere; here for completeness. "
    return Run(
        name=f"{data.replace('_', '-')}-{row.name}",
        model=config,
        backbone=row.backbone,
        data=data,
        recipe=Recipe(steps=steps, batch=batch, lr=lr, loss_norm="local"),
        base=base,
        test="segmenter",
        miou_ss=ss,
        miou_ms=ms,
        source=f"Segmenter, {source}" if source else "",
        choice=remark + OFFICIAL_CHOICE,
    )


def as_in_the_paper(run: Run) -> Run:
    """The twin of an official run: steps, floor, momentum and dropout of the paper's text."""
    recipe = replace(run.recipe, steps=PLAN[run.data][1], floor=0.0, nesterov=False)
    return replace(
        run,
        name=f"{run.name}-paper",
        recipe=recipe,
        model=replace(run.model, decoder_dropout=0.0),
        choice=run.choice.replace(OFFICIAL_CHOICE, PAPER_CHOICE),
    )


def _small(suffix: str, miou: float, source: str, remark: str = "", **changes) -> Run:
    """A variant of Seg-S/16 with the linear decoder, on ADE20K. changes: fields of Run."""
    run = _run("ade20k", "linear-small-16", miou, None, source)
    return replace(run, name=f"{run.name}-{suffix}", choice=remark + run.choice, **changes)


def _ablations() -> list[Run]:
    config = MODELS["segmenter-linear-small-16"].config
    runs = [
        _small(
            f"dropout{dropout}-path{path}",
            miou,
            "table 2",
            model=replace(config, dropout=dropout, drop_path=path),
        )
        for dropout, row in DROPOUT.items()
        for path, miou in zip(DROP_PATHS, row, strict=True)
        if (dropout, path) != (0.0, 0.1)  # Seg-S/16 as everywhere else
    ]
    which = "Which images were taken is not stated; here the first ones. "
    runs += [
        _small(f"{images // 1000}k-images", miou, "table 5", which, subset=images)
        for images, miou in IMAGES.items()
    ]
    for weights, optimiser, miou in PRETRAINING:
        run = _small(f"{weights}-{optimiser}", miou, "table 9")
        runs.append(replace(run, backbone="" if weights == "random" else run.backbone))
    original = _run("ade20k", "linear-base-16", 45.69, None, "section 4.2")
    runs.append(replace(
        original, name=f"{original.name}-original-vit", backbone="setr-vit-base",
        choice="Weights of the original ViT, without AugReg. " + original.choice,
    ))  # fmt: skip
    return runs


def segmenter_runs() -> list[Run]:
    """All of them, official and as in the paper."""
    official = [_run(data, *row) for data, rows in TABLE.items() for row in rows]
    runs = []
    for run in [*official, *_ablations()]:
        if run.name.endswith("-adamw"):
            adamw = dict(optimiser="adamw", schedule="cosine", warmup=16_000)
            twin = as_in_the_paper(run)
            runs.append(replace(
                twin, recipe=replace(twin.recipe, **adamw),
                choice=ADAMW_CHOICE + "The model is otherwise the repository's.",
            ))  # fmt: skip
        else:
            runs += [run, as_in_the_paper(run)] if run.source else [run]
    return runs
