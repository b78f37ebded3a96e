"""Seconds, bytes and floating point operations: how the bench measures.

Taught in   : the page Speed

Time: wall time on a processor, CUDA events on a GPU.
Memory: on a GPU the allocator's own peak; on Linux the kernel's: writing 5 to /proc/self/clear_refs
sets the process's high-water mark back to what it holds now, and VmHWM afterwards is the true peak
of resident memory, with the scratch space of the libraries, which counting tensors would miss, and
without sampling. Elsewhere memory is not measured.
Work: PyTorch's counter on the meta device, for the plain version: all matrix products and
convolutions, forward and backward. Upsampling, soft-max and norms count nothing. The same number
serves both sides.
"""

from __future__ import annotations

import ctypes
import gc
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

from segtutor.training.measure import memory_of_this_process

CLEAR = Path("/proc/self/clear_refs")


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """How long one call takes."""
    if device.type == "cuda":
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_mib(run: Callable[[], object], device: torch.device) -> float | None:
    """MiB that one call needs at most above what is held when it starts; None where the system
    does not tell.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    try:
        ctypes.CDLL(None).malloc_trim(0)  # give freed memory back, else it would be used unseen
        CLEAR.write_text("5")
        before = memory_of_this_process("VmRSS")
        run()
        return (memory_of_this_process("VmHWM") - before) / 2**10
    except (OSError, AttributeError):
        return None


def matrix_rate(device: torch.device, dtype: torch.dtype, side: int | None = None) -> float:
    """Multiplications and additions per second in a product of two square matrices, the best of
    ten.
    """
    side = side or (8192 if device.type == "cuda" else 1024)
    a = torch.ones(side, side, dtype=dtype, device=device)
    return 2 * side**3 / min(seconds(lambda: a @ a, device) for _ in range(10))


def count_flops(run: Callable[[], object]) -> int:
    """Operations of the matrix products and convolutions that one call performs. Takes any device;
    on "meta" nothing is computed.
    """
    from torch.utils.flop_counter import FlopCounterMode  # half a second, only here

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def largest_batch(work: Callable[[int], object], device: torch.device) -> int | None:
    """The largest batch that `work(batch)` gets through with, 0 if one image is too much;
    None where the system does not tell.

    GPU: by trying, doubling and then halving the gap until it is within 6 %. Processor: running out
    there ends the process, so a line is laid through the peaks of batches 1 and 3 and followed to
    the memory that the system calls available (within 90 % of it).
    """
    if device.type != "cuda":
        room = available_mib()
        one, three = (peak_mib(lambda b=b: work(b), device) for b in (1, 3))
        if room is None or one is None:
            return None
        each = max((three - one) / 2, 1e-3)  # MiB an image
        return max(0, math.floor((0.9 * room - one) / each) + 1)
    good, bad = 0, 1
    while _goes(work, bad):
        good, bad = bad, 2 * bad
    while bad - good > max(1, good // 16):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _goes(work, middle) else (good, middle)
    return good


def _goes(work: Callable[[int], object], batch: int) -> bool:
    try:
        work(batch)
        torch.cuda.synchronize()
        return True
    except torch.OutOfMemoryError:
        return False
    finally:
        gc.collect()
        torch.cuda.empty_cache()


def available_mib() -> float | None:
    """Memory the system could still give, MiB; None where it does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) / 2**10
    except OSError:
        pass
    return None
