"""One function over many files, on all cores, with a bar.

Taught in   : nowhere
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

FEW = 64  # below this, starting processes costs more than they save


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(function: Callable, tasks: Sequence, *, workers: int | None = None, what: str) -> list:
    """[function(task) for task in tasks], in order. workers: processes, None for all cores.

    `function` must be importable by its name (a partial of such is, too). The first error ends the
    call. Few tasks, or one worker: no processes.
    """
    from tqdm import tqdm

    workers = workers or cores()
    bar = {"total": len(tasks), "desc": what, "disable": None, "mininterval": 0.5}
    if workers == 1 or len(tasks) < FEW:
        return [function(task) for task in tqdm(tasks, **bar)]
    with ProcessPoolExecutor(workers) as pool:
        done = pool.map(function, tasks, chunksize=max(1, min(32, len(tasks) // (4 * workers))))
        return list(tqdm(done, **bar))
