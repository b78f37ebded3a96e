"""Which number format is really fast on this device? Ask it.

A processor without bfloat16 units multiplies bfloat16 up to a hundred times *slower* than float32,
and a name in a data sheet does not tell. So "auto" times one small matrix product in both.

Taught in   : chapter 13, Training recipes
"""

from __future__ import annotations

import time
from functools import cache

import torch


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


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The autocast context for a recipe's `precision` ("auto", "float32", "bfloat16")."""
    on = precision == "bfloat16" or (precision == "auto" and bfloat16_is_faster(device.type))
    return torch.autocast(device.type, torch.bfloat16, enabled=on)
