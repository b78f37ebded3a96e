"""Unpack an archive without trusting it, and say what of it is missing on the disk.

Taught in   : nowhere; `segtutor data prepare` and `check` use it

Every name is looked at before the first byte is written: absolute names, names that lead out of the
target, links and devices are refused. A file is written under another name and then renamed, so a
file that is there is whole; unpacking again writes only what is missing.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple


class Member(NamedTuple):
    """One file of an archive. name: path with slashes. size: bytes."""

    name: str
    size: int
    handle: object


def missing(archive: str | Path, target: str | Path) -> list[Member]:
    """Files of the archive that `target` lacks or has with another size.

    Raises ValueError for an archive that is broken or wants to write outside of `target`.
    """
    with _open(Path(archive)) as (members, _):
        return _missing(members, Path(target))


def unpack(archive: str | Path, target: str | Path) -> int:
    """Write what is missing; returns how many files that were.

    Raises ValueError like `missing`, and OSError when the disk has no room, before anything is
    written.
    """
    from tqdm import tqdm

    archive, target = Path(archive), Path(target)
    with _open(archive) as (members, read):
        todo = _missing(members, target)
        needed = sum(m.size for m in todo)
        target.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target).free
        if needed > free:
            raise OSError(
                f"{target} has {free / 1e9:.1f} GB free, {archive.name} needs {needed / 1e9:.1f} "
                "GB: free some space"
            )
        for member in tqdm(todo, desc=f"unpacking {archive.name}", disable=None, mininterval=0.5):
            path = target / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            try:
                with read(member.handle) as source, open(part, "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
            except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
                part.unlink(missing_ok=True)
                raise ValueError(
                    f"{archive} is damaged at {member.name} ({error}): delete it and call again"
                ) from error
            os.replace(part, path)
    return len(todo)


def _missing(members: list[Member], target: Path) -> list[Member]:
    def there(member: Member) -> bool:
        path = target / member.name
        return path.is_file() and path.stat().st_size == member.size

    inside = target.resolve()
    for folder in {PurePosixPath(m.name).parent for m in members}:
        if not (target / folder).resolve().is_relative_to(inside):
            raise ValueError(
                f"{target / folder} is a link that leads out of {target}: nothing was unpacked"
            )
    return [m for m in members if not there(m)]


@contextmanager
def _open(path: Path) -> Iterator[tuple[list[Member], object]]:
    """(files of the archive, function that opens one of them)."""
    try:
        opened = zipfile.ZipFile(path) if path.suffix == ".zip" else tarfile.open(path)
        with opened as archive:
            listed = _zip(archive) if path.suffix == ".zip" else _tar(archive)
            members = [_checked(path, member, plain) for member, plain in listed]
            yield members, archive.open if path.suffix == ".zip" else archive.extractfile
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ValueError(
            f"{path} is not a whole archive ({error}): the download broke off? Delete it and call "
            "`segtutor data prepare` again"
        ) from error


def _zip(archive: zipfile.ZipFile) -> Iterator[tuple[Member, bool]]:
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not info.is_dir():
            plain = kind in (0, stat.S_IFREG)
            yield Member(info.orig_filename, info.file_size, info), plain


def _tar(archive: tarfile.TarFile) -> Iterator[tuple[Member, bool]]:
    for info in archive:
        if not info.isdir():
            yield Member(info.name, info.size, info), info.isreg()


def _checked(archive: Path, member: Member, plain: bool) -> Member:
    """The member, if it may be written; else ValueError with the reason."""
    name = member.name
    parts = PurePosixPath(name).parts
    if not plain:
        reason = "is a link or device"
    elif not parts or name.startswith("/") or "\\" in name or ":" in parts[0] or "\0" in name:
        reason = "is an absolute name, or one of another system"
    elif ".." in parts:
        reason = "leads out of the folder"
    else:
        return member
    raise ValueError(f"{archive} holds {name!r}, which {reason}: nothing was unpacked")
