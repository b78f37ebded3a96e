"""What a training run is: a model, where its weights start, which data, how they are optimised, how
the result is tested, and what somebody published for it.

Taught in   : chapter 13, Training recipes
Source      : ours; the runs of both papers stand in published.py

A run is plain data. `override` changes single entries from text, as a command line gives them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from segtutor.config import ModelConfig
from segtutor.evaluation import Protocol, own_protocol, segmenter_protocol, setr_protocol
from segtutor.evaluation.protocols import THREE
from segtutor.training.recipes import Recipe

TESTS = ("segmenter", "setr", "own")
PIPELINES = ("official", "light")


@dataclass(frozen=True)
class Run:
    """model: its `image` is the training crop. backbone: key of weights.BACKBONES, a timm name, or
    "" for random weights. data: name of data.check.reader; splits: which of it is trained on.
    base: bounds of the long and short side before the random scale of 0.5 to 2, (0, 0) for the
    photograph's own size. test: whose protocol, see `protocols`.

    miou_ss, miou_ms: percent, single and multi-scale (with flip), as `source` prints them; None:
    nowhere. choice: where paper and official code differ, whose settings these are. gpus: as the
    authors had, as far as known; `recipe.batch` is over all of them.

    pipeline: "official" is data.TrainingPipeline; "light" is data.augment with scales of 0.7 to 1.8
    and colours moved by 0.3, chapter 00's. frozen: blocks that keep the pretrained weights. subset:
    only the first so many training images, 0 for all. balance: power of `losses.balanced_weights`,
    counted in the training labels when the run is assembled; 0 treats all pixels alike, as both
    papers do. baseline: a network of baselines.py to be trained instead of `model`, of which then
    only classes, crop and normalisation count; `backbone` is "imagenet" or "".
    """

    name: str
    model: ModelConfig
    backbone: str
    data: str
    recipe: Recipe
    splits: tuple[str, ...] = ("train",)
    base: tuple[int, int] = (0, 0)
    test: str = "own"
    miou_ss: float | None = None
    miou_ms: float | None = None
    source: str = ""
    choice: str = ""
    gpus: int = 1
    pipeline: str = "official"
    frozen: int = 0
    subset: int = 0
    balance: float = 0.0
    baseline: str = ""

    def __post_init__(self):
        for key, known in (("test", TESTS), ("pipeline", PIPELINES)):
            if getattr(self, key) not in known:
                raise ValueError(
                    f"{self.name}: {key} is {getattr(self, key)!r}, expected one of {known}"
                )

    @property
    def crop(self) -> tuple[int, int]:
        return self.model.image


def protocols(run: Run, *, rule: str = "head") -> tuple[Protocol, Protocol]:
    """(single scale, multi-scale) of evaluation.Protocol for a run.

    rule: SETR's multi-scale size rule, "head" or "release" (evaluation/rescale.py). Pascal Context
    at a single scale takes "release" in any case: with "head" its photographs are smaller than the
    windows.
    """
    if run.test == "segmenter":
        side = run.model.image[0]
        single, multi = (segmenter_protocol(run.data, multi_scale=m, side=side) for m in (0, 1))
        return single, multi
    if run.test == "setr":
        single_rule = "release" if run.data == "pascal_context" else rule
        decoder = run.model.decoder
        return (
            setr_protocol(run.data, rule=single_rule, decoder=decoder),
            setr_protocol(run.data, rule=rule, decoder=decoder, multi_scale=True),
        )
    window = run.model.image
    return own_protocol(window), own_protocol(window, ratios=THREE, flip=True)


def override(run: Run, changes: Mapping[str, str]) -> Run:
    """A run with some entries replaced, given as text.

    Keys: fields of `Run` ("frozen"), of its recipe ("steps" or "recipe.steps"), of its model
    ("model.size"). Values are read as the field's type: "1e-3", "true", "none", "192,192" or
    "192x192" for a pair. Raises ValueError for a key that does not exist, with near ones, and for a
    value that cannot be read.
    """
    mine: dict[str, dict[str, Any]] = {"": {}, "recipe.": {}, "model.": {}}
    tables = {"": Run, "recipe.": Recipe, "model.": ModelConfig}
    for key, text in changes.items():
        part = next((p for p in ("recipe.", "model.") if key.startswith(p)), "")
        name = key.removeprefix(part)
        if not part and name not in _names(Run) and name in _names(Recipe):
            part = "recipe."
        if name not in _names(tables[part]) or key in ("name", "model", "recipe"):
            raise ValueError(f"cannot override {key!r}: no such entry{_near(key)}")
        mine[part][name] = _parse(key, text, _hints(tables[part])[name])
    model = replace(run.model, **mine["model."])
    return replace(run, **mine[""], model=model, recipe=replace(run.recipe, **mine["recipe."]))


@cache
def _hints(table: type) -> dict[str, Any]:
    return get_type_hints(table)


def _names(table: type) -> list[str]:
    return [field.name for field in fields(table)]


def _near(key: str) -> str:
    bare = [n for n in _names(Run) if n not in ("name", "model", "recipe")] + _names(Recipe)
    known = bare + [f"model.{n}" for n in _names(ModelConfig)]
    found = difflib.get_close_matches(key, known, 4, 0.5)
    found += [k for k in known if k.split(".")[-1] == key.split(".")[-1] and k not in found]
    return f"; did you mean {', '.join(found)}?" if found else f"; there are {', '.join(known)}"


def _parse(key: str, text: str, kind: Any) -> Any:
    """Text as a value of the annotated type, which may be one of several ("int | None")."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    for one in sorted(kinds, key=lambda k: k is str):  # anything is a str, so that comes last
        try:
            return _read(text.strip(), one)
        except ValueError:
            continue
    wanted = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    raise ValueError(f"{key} is {text!r}, expected {wanted}")


def _read(word: str, kind: Any) -> Any:
    if kind is NoneType or kind is bool:
        values = {NoneType: {"none": None}, bool: {"true": True, "false": False}}[kind]
        if word.lower() not in values:
            raise ValueError
        return values[word.lower()]
    if kind in (int, float, str):
        return kind(word)
    first, *rest = get_args(kind)  # of a tuple: "192,192", "192x192", "(192, 192)", "cls"
    parts = re.split("," if first is str else "[,x]", word.strip("()[] "))
    values = tuple(_read(part.strip(" '\""), first) for part in parts if part.strip())
    if rest and rest[0] is not Ellipsis and len(values) != 1 + len(rest):
        raise ValueError
    return values
