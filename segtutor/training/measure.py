"""How much memory does a training step really take? Ask the operating system.

Taught in   : chapter 13, Training recipes

A fresh process builds the model, trains two steps on random pixels with the loop that trains
everything else, and reports by how much its largest resident set exceeds what it held with the
model loaded. The resident set is what an out-of-memory killer looks at; an allocator's own books
leave out what the libraries behind it take. Two things make it repeatable to a few per cent. The
libraries are woken up before, by a small model. And glibc is told (MALLOC_MMAP_THRESHOLD_) to hand
large blocks back when they are freed; left alone it keeps some, depending on what came before.

On a GPU the allocator's own peak (`torch.cuda.max_memory_allocated`) is read instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from segtutor.config import ModelConfig
from segtutor.data.dataset import IGNORE, Sample
from segtutor.decoders import AUX_LAYERS
from segtutor.models import build
from segtutor.training.memory import step_memory
from segtutor.training.recipes import Recipe

STATUS = Path("/proc/self/status")


def _setting(decoder: str, classes: int, size: str, side: int, *, hidden: int = 256, **recipe):
    family = "segmenter" if decoder in ("linear", "mask") else "setr"
    config = ModelConfig(
        family,
        decoder,
        classes,
        size,
        image=(side, side),
        extra_tokens=() if decoder == "mla" else ("cls",),
        aux_layers=AUX_LAYERS.get((decoder, 12), ()),
        hidden=hidden,
    )
    return config, Recipe(steps=2, precision="float32", **recipe)


# What the account is compared with: other decoders, sizes, crops, batches, optimisers and trades.
SETTINGS = {
    "linear tiny 512": _setting("linear", 150, "tiny", 512, batch=4),
    "mask tiny 384": _setting("mask", 150, "tiny", 384, batch=4),
    "mask tiny 320, 2 micro-batches": _setting("mask", 60, "tiny", 320, batch=8, accumulate=2),
    "pup tiny 256": _setting("pup", 19, "tiny", 256, hidden=128, batch=4),
    "mla small 256, AdamW": _setting("mla", 60, "small", 256, batch=4, optimiser="adamw"),
    "naive small 384, checkpointing": _setting(
        "naive", 19, "small", 384, batch=4, checkpoint_activations=True
    ),
}


def predicted_peak(config: ModelConfig, recipe: Recipe, *, device: str = "cpu") -> int:
    """What the account says of the same setting: bytes above the loaded model."""
    m = step_memory(
        config,
        batch=recipe.batch // recipe.accumulate,
        precision=recipe.precision,
        optimiser=recipe.optimiser,
        checkpoint=recipe.checkpoint_activations,
        device=device,
        carried=recipe.accumulate > 1,
    )
    return m.above_model


class Noise:
    """Random pictures and labels of one size, always the same few."""

    name, ignore, palette = "noise", IGNORE, ()

    def __init__(self, size: tuple[int, int], classes: int, length: int = 8):
        self.classes = tuple(str(k) for k in range(classes))
        draw = torch.Generator().manual_seed(0)
        self.image = torch.randint(0, 256, (3, *size), generator=draw, dtype=torch.uint8)
        self.label = torch.randint(0, classes, size, generator=draw, dtype=torch.uint8)
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.image, self.label, str(index))


def measured_peak(
    config: ModelConfig, recipe: Recipe, *, frozen: int = 0, timeout: float = 120
) -> int:
    """Bytes above the loaded model at the worst moment of two training steps, in a process of its
    own. Raises RuntimeError with the process's last words when it fails.
    """
    job = json.dumps([config.to_dict(), {**asdict(recipe), "steps": 2}, frozen])
    settings = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-m", "segtutor.training.measure", job],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if done.returncode:
        raise RuntimeError(f"the measurement failed: {done.stderr.strip()[-400:]}")
    return int(done.stdout.split()[-1])


def memory_of_this_process(key: str) -> int:
    """A line of /proc/self/status in KiB: "VmRSS", what is held now, or "VmHWM", the most so far.
    (`ru_maxrss` starts with what the *parent* process held; VmHWM begins anew with the program.)
    Raises OSError where the system keeps no such file.
    """
    for line in STATUS.read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    raise OSError(f"{STATUS} has no line {key}")


def _resident() -> int:
    """Bytes of memory that this process holds now, or has held at most where that is not told."""
    try:
        return memory_of_this_process("VmRSS") << 10
    except OSError:
        return _peak()


def _peak() -> int:
    """Bytes of memory that this process has held at most."""
    try:
        return memory_of_this_process("VmHWM") << 10
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def child(job: str) -> int:
    """What the process of its own does."""
    from segtutor.training.loop import train

    model_entries, entries, frozen = json.loads(job)
    config = ModelConfig.from_dict(model_entries)
    recipe = Recipe(**{**entries, "class_weights": tuple(entries["class_weights"])})
    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"

    small = ModelConfig(config.family, config.decoder, 3, (64, 4, 1), image=(32, 32), hidden=8,
                        extra_tokens=config.extra_tokens, head_hidden=4)  # fmt: skip
    warm = Recipe(steps=2, batch=2, precision=recipe.precision, optimiser=recipe.optimiser)
    train(build(small).to(device), Noise((32, 32), 3), warm, verbose=False)

    model, data = build(config).to(device), Noise(config.image, config.classes)
    model.encoder.freeze(frozen)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        train(model, data, recipe, verbose=False)
        return torch.cuda.max_memory_allocated() - before
    before = _resident()
    train(model, data, recipe, verbose=False)
    return _peak() - before


if __name__ == "__main__":
    print(child(sys.argv[1]))
