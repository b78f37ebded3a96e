"""A published run made small enough for a page, and what was changed about it.

Taught in   : the "Full training" notebooks
"""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace

from segtutor.decoders import AUX_LAYERS
from segtutor.training.published import Run, find_run

SHRUNK = ", shrunk"  # behind the name of a run that was made smaller


def choose_run(data: str, default: str, recipe: str, settings: SimpleNamespace, seed: int) -> Run:
    """The run named `recipe` in full or, where that is "", `default` shrunk by the settings (side,
    size, steps, batch, lr, backbone).
    """
    run = find_run(recipe or default)
    if run.data != data:
        raise ValueError(f"{run.name} is a run on {run.data}, this notebook is about {data}")
    if not recipe:
        run = shrunk(
            run,
            side=settings.side,
            size=settings.size,
            steps=settings.steps,
            batch=settings.batch,
            lr=settings.lr,
            backbone=settings.backbone,
        )
    return replace(run, recipe=replace(run.recipe, seed=seed))


def shrunk(
    run: Run,
    *,
    side: int,
    size: str | tuple[int, int, int],
    steps: int,
    batch: int,
    lr: float,
    backbone: str,
) -> Run:
    """The same kind of run for a small machine: crops of `side` pixels, bounds in proportion, an
    encoder of `size` (given as three numbers, the decoder shrinks along) from the weights
    `backbone` ("": random), AdamW with a warm-up, which learns quickest in few steps. Segmenter's
    protocol shrinks with the crop; SETR's has no such rule, so another crop than the published one
    is tested by our own.
    """
    share = side / run.crop[0]
    depth = 12 if isinstance(size, str) else size[1]
    aux = AUX_LAYERS.get((run.model.decoder, depth), ()) if run.model.aux_layers else ()
    model = replace(
        run.model, image=(side, side), size=size, aux_layers=aux, taps=(), drop_path=0.0
    )
    if not isinstance(size, str):
        model = replace(model, decoder_heads=size[2], hidden=64, head_hidden=32)
    recipe = replace(
        run.recipe,
        steps=steps,
        batch=batch,
        lr=lr,
        optimiser="adamw",
        head_lr=1.0,
        floor=0.0,
        warmup=max(1, steps // 20),
        loss_mean="valid",
        loss_norm="global",
    )
    return replace(
        run,
        name=run.name + SHRUNK,
        model=model,
        recipe=recipe,
        backbone=backbone,
        base=tuple(round(bound * share) for bound in run.base),
        test="own" if run.test == "setr" and share != 1 else run.test,
        miou_ss=None,
        miou_ms=None,
        source="",
        choice="Shrunk for a small machine; nobody published it.",
    )


def differences(ours: Run, theirs: Run) -> list[tuple[str, object, object]]:
    """(entry, ours, theirs) of everything in which two runs differ, but for words about them."""

    def flat(run: Run) -> dict:
        table = asdict(run)
        parts = {f"{p}.{k}": v for p in ("model", "recipe") for k, v in table.pop(p).items()}
        words = ("name", "source", "choice", "miou_ss", "miou_ms", "gpus")
        return {k: v for k, v in {**table, **parts}.items() if k not in words}

    a, b = flat(ours), flat(theirs)
    return [(key, a[key], b[key]) for key in a if a[key] != b[key]]


def original(run: Run) -> Run:
    """The published run behind a shrunk one."""
    return find_run(run.name.removesuffix(SHRUNK))
