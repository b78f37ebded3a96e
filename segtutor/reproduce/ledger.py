"""Where numbers come from: what each run wrote down, and the append-only ledger of longer runs.

Taught in   : every chapter ends with `write_results`; chapter 16 reads the ledger

A record is one line of JSON. The ledger is only ever appended to; a line is written with one call
under a file lock, so that runs side by side do not tear each other's lines.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SCHEMA = 1
PACKAGES = ("torch", "torchvision", "timm", "numpy", "matplotlib", "segtutor")


def provenance() -> dict:
    """Versions, machine, device and commit of this very process."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "versions": {"python": platform.python_version(), **versions()},
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "device": device,
        **commit(),
    }


def versions() -> dict[str, str]:
    """Installed versions of the packages that decide numbers."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def processor() -> str:
    """The processor's name, as well as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit() -> dict:
    """Commit of the source tree this library runs from, and whether it had uncommitted changes."""
    folder = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if not (folder / ".git").exists():
        return {"commit": None, "dirty": None}
    head, status = git("rev-parse", "--short=12", "HEAD"), git("status", "--porcelain", "-uno")
    return {"commit": head, "dirty": None if status is None else bool(status)}


def peak_memory_mib() -> float:
    """Most memory this process has held so far, in MiB (on a GPU: the allocator's peak there)."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def append(path: str | Path, record: dict) -> dict:
    """Add one record to a ledger file, with schema, time and provenance. Returns what was written.

    Raises PermissionError naming the file when it cannot be written; TypeError when the record is
    not plain JSON.
    """
    path = Path(path)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    full = {"schema": SCHEMA, "time": now, **record, **provenance()}
    line = (json.dumps(full, allow_nan=False) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab", buffering=0) as file:
            lock(file)
            file.write(line)
            os.fsync(file.fileno())
    except PermissionError as error:
        raise PermissionError(f"cannot append to the ledger {path}: no write permission") from error
    return full


def read(path: str | Path) -> list[dict]:
    """All records of a ledger file, oldest first; [] when there is none.

    Raises ValueError naming file and line for a line that is not JSON.
    """
    path = Path(path)
    records = []
    if not path.exists():
        return records
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {number} is not a whole JSON record: {error}"
            ) from error
    return records


def write_results(
    out_dir: str | Path, *, notebook: str, profile: str, seed: int, numbers: dict, began: float
) -> Path:
    """The last cell of every notebook: write out_dir/results.json. Returns its path.

    numbers: what the page shows, name -> number or text. began: `time.perf_counter()` of the first
    cell.
    """
    from segtutor.training.loop import writable

    record = {
        "schema": SCHEMA,
        "notebook": notebook,
        "profile": profile,
        "seed": seed,
        "seconds": round(time.perf_counter() - began, 1),
        "peak_memory_mib": round(peak_memory_mib()),
        "numbers": numbers,
        **provenance(),
    }
    path = writable(out_dir) / "results.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1) + "\n")
    os.replace(part, path)
    return path


def lock(file) -> None:
    """Wait for exclusive use of the file (where the system has such locks)."""
    try:
        import fcntl
    except ImportError:  # Windows: a single append is all we have
        return
    fcntl.flock(file, fcntl.LOCK_EX)
