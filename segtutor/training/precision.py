"""Which number format is really fast on this device? Ask it.

A processor without bfloat16 units multiplies bfloat16 up to a hundred times *slower* than float32,
and a name in a data sheet does not tell. So "auto" times one small matrix product in both. NVIDIA's
cards do tell, by their compute capability: from 8 on they multiply bfloat16, those of 7 (T4, V100)
only float16, older ones nothing but float32 fast.

Taught in   : chapter 13, Training recipes
"""

from __future__ import annotations

import time
from functools import cache

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@cache
def bfloat16_is_faster(device_type: str) -> bool:
    """Times a 256x256x256 product in both formats on the device; takes some milliseconds, once per
    process.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(256, 256, dtype=dtype, device=device_type)
        tries = []
        for _ in range(4):  # the first one warms up; the fastest counts
            start = time.perf_counter()
            (a @ a).sum().item()
            tries.append(time.perf_counter() - start)
        seconds[dtype] = min(tries)
    return seconds[torch.bfloat16] < 0.8 * seconds[torch.float32]


def fastest(device: torch.device) -> str:
    """What "auto" means on this device: "bfloat16", "float16" or "float32"."""
    if bfloat16_is_faster(device.type):
        return "bfloat16"
    if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 7:
        return "float16"
    return "float32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The autocast context for a recipe's `precision`."""
    dtype = DTYPES[fastest(device) if precision == "auto" else precision]
    on = dtype != torch.float32
    return torch.autocast(device.type, dtype if on else torch.bfloat16, enabled=on)


def gradient_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Keeps float16 gradients away from zero by scaling the loss; for other formats it does
    nothing. precision: as in a recipe, but not "auto".
    """
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")
