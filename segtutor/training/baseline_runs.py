"""Trainings of the rivals that both papers print, in our loop and by the same protocols.

Implements  : rows of FCN, Semantic FPN and DeepLabV3+ in SETR tables 1b, 1e, 3 to 5 and Segmenter
              tables 4, 6 to 8, as "relatives": the network of the same kind in baselines.py
Taught in   : chapter 16, Ablations, baselines and tables
Official    : the printed numbers belong to mmsegmentation's networks and settings, which differ
              (baselines.py lists how). So these runs promise no number: what can be compared is
              a rival and a transformer that were trained here alike.

    DATA-NETWORK-STEPS    cityscapes-fcn-resnet101-40k
"""

from __future__ import annotations

from segtutor.config import ModelConfig
from segtutor.data.resize import BASES, CROPS
from segtutor.training.recipes import Recipe
from segtutor.training.runs import Run
from segtutor.training.setr_runs import BATCH, CLASSES

# data, network of baselines.py, steps / 1000
TABLE = (
    ("cityscapes", "semantic_fpn_resnet50", 40),
    ("cityscapes", "semantic_fpn_resnet101", 40),
    ("cityscapes", "fcn_resnet101", 40),
    ("cityscapes", "fcn_resnet101", 80),
    ("ade20k", "fcn_resnet101", 160),
    ("pascal_context", "fcn_resnet101", 80),
    ("ade20k", "deeplabv3plus_resnet101", 160),
    ("ade20k", "deeplabv3plus_resnest101", 160),
    ("pascal_context", "deeplabv3plus_resnet101", 80),
    ("cityscapes", "deeplabv3plus_resnest101", 80),
)
CHOICE = (
    "Ours: SETR's loop, crops and protocol, SGD at 0.01 for all parameters down to 1e-4. The "
    "papers quote networks of this kind from mmsegmentation, so no number is promised."
)


def baseline_runs() -> list[Run]:
    """All of them, from ImageNet weights of the library."""
    return [_run(*row) for row in TABLE]


def name_of(data: str, network: str, steps: int) -> str:
    """steps: in thousands."""
    return f"{data}-{network}-{steps}k".replace("_", "-")


def _run(data: str, network: str, steps: int) -> Run:
    model = ModelConfig(
        family="setr",
        decoder="naive",
        classes=CLASSES[data],
        image=CROPS[data],
        normalisation="imagenet",
    )
    return Run(
        name=name_of(data, network, steps),
        model=model,
        backbone="imagenet",
        data=data,
        recipe=Recipe(steps=1000 * steps, batch=BATCH[data], lr=0.01, nesterov=False, floor=1e-4),
        base=BASES["setr", data],
        test="setr",
        choice=CHOICE,
        gpus=8,
        baseline=network,
    )
