"""What to do when a training does not fit: a ladder, from what costs nothing to what changes the
result. The effective batch stays the same on every rung.

Implements  : ours
Taught in   : chapter 13, Training recipes

    accumulate               micro-batches; the same sum of gradients, a little slower
    checkpoint activations   blocks are computed twice: a third more time
    half precision           where the recipe asked for float32
    a smaller crop           another experiment: fewer tokens, less context
    a smaller model          another experiment altogether
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from segtutor.decoders import AUX_LAYERS
from segtutor.tokens import dims_of
from segtutor.training.planner import (
    CPU_SHARE,
    GIB,
    SHARE,
    SLACK,
    Card,
    hours,
    memory,
    need,
    precision_on,
)
from segtutor.training.runs import Run
from segtutor.weights.backbones import BACKBONES

CROPS = (0.75, 0.5)  # shares of the run's own crop


@dataclass(frozen=True)
class Rung:
    """what: in words. run: with everything changed so far. changes: the same as for --override."""

    what: str
    run: Run
    changes: dict[str, str]
    need: float
    hours: float
    fits: bool


def ladder(run: Run, on: Card, gpus: int = 1, *, sharded: bool = False) -> list[Rung]:
    """From the run as it is to the first setting that fits; the last rung tells whether it does.

    Raises ValueError when the batch cannot be shared by so many processes.
    """
    if run.recipe.batch % gpus:
        raise ValueError(
            f"{run.name}: a batch of {run.recipe.batch} cannot be shared by {gpus} processes"
        )
    share = run.recipe.batch // gpus
    pieces = [n for n in range(1, share + 1) if share % n == 0 and n >= run.recipe.accumulate]
    rungs: list[Rung] = []
    for what, level, changes in _levels(run, on):
        for n in pieces if rungs else pieces[:1]:  # the largest micro-batches that fit, or none
            tried = replace(level, recipe=replace(level.recipe, accumulate=n))
            wanted = need(tried, on, gpus, sharded=sharded)
            if wanted <= on.memory:
                break
        words = {"accumulate": str(n)} if n > run.recipe.accumulate else {}
        name = f"{what}, {share // n} at a time" if rungs else what
        fits = wanted <= on.memory
        rungs.append(Rung(name, tried, {**words, **changes}, wanted, hours(tried, on, gpus), fits))
        if fits:
            break
    return rungs


def _levels(run: Run, on: Card) -> Iterator[tuple[str, Run, dict[str, str]]]:
    """(words, run, overrides) of each rung before micro-batches are tried on it, cumulative."""
    changes: dict[str, str] = {}
    yield "as it is", run, changes
    yield "accumulate", run, changes
    if not run.recipe.checkpoint_activations:
        changes = {**changes, "checkpoint_activations": "true"}
        run = replace(run, recipe=replace(run.recipe, checkpoint_activations=True))
        yield "checkpoint activations", run, changes
    if run.recipe.precision == "float32" and on.fastest != "float32":
        changes = {**changes, "precision": on.fastest}
        run = replace(run, recipe=replace(run.recipe, precision=on.fastest))
        yield on.fastest, run, changes
    whole = run.model.image
    for part in CROPS:
        side = tuple(max(1, int(s * part) // run.model.patch) * run.model.patch for s in whole)
        changes = {**changes, "model.image": f"{side[0]}x{side[1]}"}
        run = replace(run, model=replace(run.model, image=side))
        yield f"crop of {side[0]}x{side[1]}", run, changes
    size = run.model.size
    sizes = ("tiny", "small", "base", "large")
    if size not in sizes or run.model.backbone:
        return
    for smaller in reversed(sizes[: sizes.index(size)]):
        taps = AUX_LAYERS.get((run.model.decoder, dims_of(smaller)[1]), ())
        tokens = tuple(t for t in run.model.extra_tokens if t != "dist")  # there is no DeiT for it
        model = replace(run.model, size=smaller, aux_layers=taps, extra_tokens=tokens)
        changes = {**changes, "model.size": smaller, "backbone": _backbone(run, smaller)}
        if taps != run.model.aux_layers:
            changes["model.aux_layers"] = ",".join(map(str, taps))
        if tokens != run.model.extra_tokens:
            changes["model.extra_tokens"] = ",".join(tokens)
        run = replace(run, model=model, backbone=changes["backbone"])
        yield f"{smaller} encoder", run, changes


def _backbone(run: Run, size: str) -> str:
    """Weights for a smaller encoder: SETR's own where there are, otherwise AugReg's."""
    own = f"setr-vit-{size}"
    if run.model.family == "setr" and own in BACKBONES and run.backbone:
        return own
    name = f"vit_{size}_patch{run.model.patch}_384"
    return name if name in BACKBONES and run.backbone else ""


def as_text(run: Run, on: Card, gpus: int = 1, *, sharded: bool = False) -> str:
    """The plan: where the memory goes, the ladder, and what to type."""
    rungs = ladder(run, on, gpus, sharded=sharded)
    m = memory(run, on, gpus)
    spread = f"{gpus} x " if gpus > 1 else ""
    lines = [
        f"{run.name} on {spread}{on.title}, {on.memory:.1f} GiB"
        f"{', FSDP' if sharded else ''}: {run.recipe.steps} steps of {run.recipe.batch} crops of "
        f"{run.crop[0]}x{run.crop[1]}, {precision_on(run, on)}",
        "",
        "GiB of one process, as it is:",
    ]
    parts = {"weights": m.weights, "gradients": m.gradients, "optimiser": m.optimiser, **m.kept,
             "passing results": m.passing}  # fmt: skip
    lines += [f"  {name:26} {size / GIB:7.2f}" for name, size in parts.items()]
    lines += ["", f"{'rung':44} {'GiB':>7}  fits  {'hours':>7}"]
    for rung in rungs:
        fits = "yes" if rung.fits else "no"
        lines.append(f"{rung.what:44} {rung.need:7.1f}  {fits:4}  {_time(rung.hours):>7}")
    last = rungs[-1]
    lines.append("")
    if not last.fits:
        return "\n".join([*lines, "Nothing on the ladder fits; take more GPUs (FSDP) or a card "
                                  "with more memory."])  # fmt: skip
    words = " ".join(f"{key}={value}" for key, value in last.changes.items())
    lines.append(f"segtutor train {run.name}" + (f" --override {words}" if words else ""))
    if last.run.recipe.accumulate > run.recipe.accumulate and run.model.family == "setr":
        n = run.recipe.batch // gpus // last.run.recipe.accumulate
        lines.append(f"note: BatchNorm then sees {n} pictures at a time on each GPU")
    share = SHARE if on.cuda else CPU_SHARE
    lines.append(
        f"hours: estimated, at {share:.0%} of {on.rates[_known(run, on)]:.3g} TFLOP/s; GiB: with "
        f"{SLACK - 1:.0%} for gaps" + (" and 0.7 for CUDA" if on.cuda else "")
    )
    return "\n".join(lines)


def _known(run: Run, on: Card) -> str:
    precision = precision_on(run, on)
    return precision if precision in on.rates else "float32"


def _time(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
