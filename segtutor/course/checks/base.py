"""What all exercise checks share.

An exercise has a number, a kind, a level and a time, and a function that judges an answer: None if
it is right, else one sentence that names the likely cause. No registry: `checks.ex_2_1` is an
`Exercise`, and calling it prints the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

KINDS = ("predict", "build", "debug", "measure", "explain")


@dataclass(frozen=True)
class Exercise:
    """number: "chapter.exercise". level: 1 (read) to 5 (research). minutes: what a student needs.

    judge: answer -> None if right, else a sentence. Calling the exercise prints the verdict;
    whatever the answer's own code raises becomes part of the sentence.
    """

    number: str
    kind: str
    level: int
    minutes: int
    judge: Callable[[Any], str | None]

    def verdict(self, answer: Any) -> str | None:
        """None if right, else one sentence."""
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                return self.judge(answer)
        except NotImplementedError:
            return "nothing is written yet: replace the line `raise NotImplementedError`."
        except Exception as error:  # the student's code may raise anything
            return f"your code stopped with {type(error).__name__}: {error}"

    def __call__(self, answer: Any) -> None:
        sentence = self.verdict(answer)
        print(
            f"Exercise {self.number}: " + ("right." if sentence is None else f"not yet. {sentence}")
        )


def compare(
    got: Any,
    wanted: Tensor,
    causes: dict[str, Tensor] | None = None,
    *,
    atol: float = 1e-5,
    what: str = "the result",
) -> str | None:
    """Judge a tensor: its type, then shape, then values; finally, whether it equals a known wrong
    answer.

    causes: sentence -> the tensor that this mistake would give (same inputs).
    """
    if isinstance(got, np.ndarray):
        got = torch.from_numpy(got)
    if not isinstance(got, torch.Tensor):
        return f"{what} should be a tensor, but it is {type(got).__name__}: is a `return` missing?"
    for sentence, wrong in (causes or {}).items():
        same = got.shape == wrong.shape and wrong.shape != wanted.shape
        if same and torch.allclose(got.double(), wrong.double(), atol=atol, rtol=1e-4):
            return sentence
    if got.shape != wanted.shape:
        return f"{what} has shape {tuple(got.shape)}, expected {tuple(wanted.shape)}."
    if not bool(torch.isfinite(got.double()).all()):
        return f"{what} holds numbers that are not finite."
    if torch.allclose(got.double(), wanted.double(), atol=atol, rtol=1e-4):
        return None
    for sentence, wrong in (causes or {}).items():
        if got.shape == wrong.shape and torch.allclose(
            got.double(), wrong.double(), atol=atol, rtol=1e-4
        ):
            return sentence
    worst = float((got.double() - wanted.double()).detach().abs().max())
    return f"{what} has the right shape, but its values are off by up to {worst:.3g}."


def close_number(
    got: Any, wanted: float, causes: dict[str, float] | None = None, *, rel: float = 0.01
) -> str | None:
    """Judge one number, with sentences for known wrong ones."""
    try:
        value = float(got)
    except (TypeError, ValueError):
        return f"expected one number, got {type(got).__name__}."
    if math.isclose(value, wanted, rel_tol=rel, abs_tol=1e-9):
        return None
    for sentence, wrong in (causes or {}).items():
        if math.isclose(value, wrong, rel_tol=rel, abs_tol=1e-9):
            return sentence
    return f"{value:g} is not it."


def choice(got: Any, right: str, reasons: dict[str, str]) -> str | None:
    """Judge the answer to a predict or explain question with lettered options. reasons: letter ->
    why it is wrong.
    """
    letter = str(got).strip().lower()
    if letter == right:
        return None
    if letter in reasons:
        return reasons[letter]
    options = ", ".join(sorted([right, *reasons]))
    return f"answer with one of the letters {options}."
