"""Fetch one large file: goes on where it stopped, and is used only after its digest agreed.

Taught in   : nowhere; `segtutor data prepare` uses it

While it comes the file is called NAME.part. A second call asks the server for the rest (HTTP
Range); a server that cannot do that starts anew. A file with the wrong digest becomes NAME.wrong
and is not used. What was found right is written into a lock file beside it, so that a file whose
publisher names no SHA-256 is at least known to be the one of the first download.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

LOCK = "segtutor.lock.json"
CHUNK = 1 << 20
TRIES = 5  # in a row, without a byte received


def fetch(
    url: str, path: str | Path, *, digest: str = "", timeout: float = 30, wait: float = 1.0
) -> Path:
    """Download `url` to `path`, unless it is there and right already. Returns `path`.

    digest: what the publisher states, "sha1:..." or another of hashlib's; "" if nothing is stated.
    timeout: seconds without a byte that count as a broken connection. wait: seconds before the
    first retry, doubled each time. Raises ValueError for a wrong digest and OSError for a full disk
    or a network that is not there; both say what to do.
    """
    path = Path(path)
    if not path.exists():
        part = path.with_name(path.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, timeout, wait)
        verify(part, digest, name=path.name, url=url)
        os.replace(part, path)
    return verify(path, digest, url=url)


def verify(path: Path, digest: str = "", *, name: str = "", url: str = "") -> Path:
    """Compare a file with the published digest and with the lock file; remember it there.

    name: what it will be called. A wrong file is renamed to NAME.wrong before ValueError is raised.
    """
    name = name or path.name
    known = locked(path.parent).get(name, {})
    found = {"size": path.stat().st_size, "changed": path.stat().st_mtime_ns}
    if known and all(known.get(k) == v for k, v in found.items()):
        return path  # looked at before, and not touched since
    kind, _, wanted = digest.partition(":")
    sums = _digests(path, {"sha256", kind} - {""})
    claims = [(kind, wanted, "its publisher states")] if digest else []
    if known:
        claims.append(("sha256", known["sha256"], f"{LOCK} remembers"))
    for algorithm, value, who in claims:
        if sums[algorithm] != value:
            wrong = path.with_name(name + ".wrong")
            os.replace(path, wrong)
            raise ValueError(
                f"{name} has {algorithm.upper()} {sums[algorithm]}, but {who} {value}: it is kept "
                f"as {wrong} and not used. Call again to download it anew; if that repeats, the "
                f"file at {url or 'its address'} has changed"
            )
    lock(path.parent, name, {**found, "sha256": sums["sha256"], **({"url": url} if url else {})})
    return path


def locked(folder: Path) -> dict:
    """{file name: what was found right} of the lock file in `folder`."""
    path = folder / LOCK
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def lock(folder: Path, name: str, entry: dict) -> None:
    """Write one entry of the lock file."""
    part = folder / f"{LOCK}.part"
    entries = locked(folder) | {name: entry}
    part.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", "utf-8")
    os.replace(part, folder / LOCK)


def _digests(path: Path, algorithms: set[str]) -> dict[str, str]:
    sums = {a: hashlib.new(a) for a in algorithms}
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            for s in sums.values():
                s.update(block)
    return {a: s.hexdigest() for a, s in sums.items()}


def _receive(url: str, part: Path, timeout: float, wait: float) -> None:
    """Fill `part` until the server's length is reached; broken connections are taken up again."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _receive_once(url, part, before, timeout):
                return
            error: Exception = OSError("the connection ended early")
        except urllib.error.HTTPError as refused:
            if refused.code < 500:
                raise OSError(
                    f"{url} answers {refused.code} {refused.reason}: it may have moved. Download "
                    f"the file by other means and put it at {part.with_suffix('')}"
                ) from refused
            error = refused
        except _DiskError:
            raise
        except (OSError, http.client.HTTPException) as broken:
            error = broken
        after = part.stat().st_size if part.exists() else 0
        failures = 0 if after > before else failures + 1
        if failures == TRIES:
            raise OSError(
                f"{url} cannot be fetched ({error}). Is there a network? {after} bytes are kept in "
                f"{part}; the same command goes on from there. Or put the whole file at "
                f"{part.with_suffix('')} by hand"
            ) from error
        time.sleep(wait * 2**failures if failures else 0)


class _DiskError(OSError):
    """Not the network's fault: trying again does not help."""


def _receive_once(url: str, part: Path, start: int, timeout: float) -> bool:
    """One request; True when the file is whole."""
    from tqdm import tqdm

    headers = {"User-Agent": "segtutor", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as refused:
        if refused.code != 416:  # "there is no such range": whole already, or not of this file
            raise
        length = re.search(r"/(\d+)$", refused.headers.get("Content-Range", ""))
        if length and int(length[1]) == start:
            return True
        part.unlink()
        return False
    with answer:
        span = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if answer.status != 206 or not span or int(span[1]) != start:
            start = 0  # the server sends all of it
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        _enough_room(part, (total or 0) - start)
        got = start
        bar = tqdm(
            total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, disable=None
        )
        with bar, open(part, "r+b" if start else "wb") as file:
            file.seek(start)
            while block := answer.read(CHUNK):
                try:
                    file.write(block)
                    file.flush()
                except OSError as error:
                    raise _DiskError(
                        f"cannot write {part} ({error.strerror or error}): free some space and "
                        "call again, what is there is kept"
                    ) from error
                got += len(block)
                bar.update(len(block))
    return total is None or got >= total


def _enough_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise _DiskError(
            f"{part.parent} has {free / 1e9:.1f} GB free, {part.stem} needs {needed / 1e9:.1f} GB "
            "more: free some space, or choose another place with --data-root"
        )
