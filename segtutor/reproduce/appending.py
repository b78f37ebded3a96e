"""A file to which many processes add whole lines, and which survives that one of them is killed.

Taught in   : chapter 16 (what a record must withstand to be believed)
Source      : ours

A line is written with one call, at the end, under a lock that the operating system gives back when
its holder dies (`flock`). Where there is no such lock, a file NAME.lock stands for it. What a crash
has cut in half is put into NAME.torn, with its place, before anything else is written behind it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

STALE = 30.0  # seconds after which a lock file's owner is taken for dead; a line takes milliseconds
BLOCK = 1 << 16


def append_line(path: str | Path, line: bytes) -> str | None:
    """Add one line (its newline included) at the end of a file, made if need be, and wait until it
    is on the disk. Returns what had to be set aside first, as a sentence, or None.

    A line that does not fit on the disk is taken back: OSError, and the file is as it was.
    """
    path = Path(path)
    with opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
        report = _mend(file, path)
        start = os.fstat(file).st_size
        try:
            written = os.write(file, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes of a line fit into {path}")
            os.fsync(file)
        except OSError:
            os.ftruncate(file, start)
            raise
    return report


def read_lines(path: str | Path) -> tuple[list[bytes], str | None]:
    """All lines without their newlines, and what was set aside, as a sentence, or None. A last
    line cut in half goes into NAME.torn; where that cannot be written it is only left out.
    """
    path = Path(path)
    with opened(path, os.O_RDONLY, shared=True) as file:
        whole = _read(file, 0)
    torn = torn_end(whole)
    if not torn:
        return whole.splitlines(), None
    try:
        with opened(path, os.O_RDWR) as file:
            report = _mend(file, path)  # unless another process was quicker
            return _read(file, 0).splitlines(), report
    except PermissionError:
        rest = whole[: -len(torn)]
        line = rest.count(b"\n") + 1
        return rest.splitlines(), f"{path}, line {line} was cut in half and is left out"


def torn_end(whole: bytes) -> bytes:
    """What stands behind the last newline, if it is no whole JSON; else nothing."""
    end = whole[whole.rfind(b"\n") + 1 :]
    return end if end and not is_json(end) else b""


def is_json(line: bytes) -> bool:
    """Is the line one JSON value?"""
    try:
        json.loads(line)
    except ValueError:  # also what is no UTF-8
        return False
    return True


def set_aside(path: Path, number: int, line: bytes) -> str:
    """Write a damaged line into NAME.torn, as a JSON line of its own; returns a sentence."""
    beside = path.with_name(path.name + ".torn")
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    text = line.decode("utf-8", "backslashreplace")
    entry = {"ledger": path.name, "line": number, "found": now, "text": text}
    with open(beside, "ab", buffering=0) as file:
        file.write((json.dumps(entry) + "\n").encode())
        os.fsync(file)
    return (
        f"{path}, line {number} was cut in half ({len(line)} bytes, perhaps by a crash): it stands "
        f"in {beside.name} now, the {number - 1} lines before it are whole"
    )


@contextmanager
def opened(path: Path, flags: int, *, shared: bool = False) -> Iterator[int]:
    """The file's descriptor, while nobody else holds it (shared: but readers may)."""
    with _lock_file(path) if fcntl is None and not shared else _nothing():
        file = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o644)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)  # gives the lock back


def lock(file) -> None:
    """Wait for exclusive use of an open file, until it is closed (where there are such locks)."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)


def try_lock(file) -> bool:
    """Take an open file for this process alone until it is closed; False where another has it.
    Without locks of the operating system: True.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _mend(file: int, path: Path) -> str | None:
    """Make the file end with a newline: add the one that is missing, set aside what is torn."""
    size = os.fstat(file).st_size
    if size == 0 or _read(file, size - 1) == b"\n":
        return None
    whole = _read(file, 0)
    torn = torn_end(whole)
    if not torn:
        os.lseek(file, 0, os.SEEK_END)
        os.write(file, b"\n")
        return None
    report = set_aside(path, whole.count(b"\n") + 1, torn)
    os.ftruncate(file, size - len(torn))
    return report


def _read(file: int, start: int) -> bytes:
    os.lseek(file, start, os.SEEK_SET)
    blocks = iter(lambda: os.read(file, BLOCK), b"")
    return b"".join(blocks)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _lock_file(path: Path) -> Iterator[None]:
    """Exclusive use through a file that only one process can make. One left behind by a process
    that died is taken away when it is old: by renaming, in which only one can succeed.
    """
    lock = path.with_name(path.name + ".lock")
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            try:
                if time.time() - lock.stat().st_mtime > STALE:
                    old = lock.with_name(f"{lock.name}.{os.getpid()}")
                    os.replace(lock, old)
                    os.remove(old)
                    continue
            except FileNotFoundError:  # given back, or taken away by another
                continue
            time.sleep(0.002)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
