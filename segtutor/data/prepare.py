"""From nothing to a data set that `segtutor data check` finds whole.

Taught in   : chapter 11; the "Full training" notebooks begin with it

segtutor data prepare NAME

What may be had without asking is downloaded (ADE20K, Pascal Context); for the rest (Cityscapes,
CamVid) it says which files to put where, and unpacks them once they are there. What is done already
is not done again, so the command may be stopped and repeated at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from segtutor.data import cityscapes, detail
from segtutor.data.download import fetch
from segtutor.data.manycores import each
from segtutor.data.pascal_context import LABELS
from segtutor.data.readers import READERS, splits_of
from segtutor.data.sources import CITYSCAPES, GATED, LICENCES, SOURCES, Source
from segtutor.data.unpack import missing, unpack
from segtutor.locations import data_roots

Say = Callable[[str], None]
DOWNLOADS = "downloads"  # folder beside the data sets


def prepare(
    name: str,
    data_root: str | Path | None = None,
    *,
    labels: str = "detail",
    test: bool = False,
    train_ids: bool = False,
    workers: int | None = None,
    say: Say = print,
) -> bool:
    """Download, unpack and convert what `name` still lacks. Returns whether it is whole now.

    data_root: where to (default: the first place of `segtutor.locations`). labels: for Pascal
    Context "detail" (as SETR) or "export" (as Segmenter). test: also ADE20K's test photographs.
    train_ids: also write Cityscapes' *_labelTrainIds.png. workers: processes for converting
    (default: all cores). Raises ValueError and OSError as `download` and `unpack` do.
    """
    steps = {
        "ade20k": partial(_ade20k, test=test),
        "pascal_context": partial(_pascal_context, labels=labels, workers=workers),
        "cityscapes": partial(_cityscapes, train_ids=train_ids, workers=workers),
        "camvid": _camvid,
    }
    if name not in steps:
        raise ValueError(f"nothing to prepare for {name!r}; there are {', '.join(steps)}")
    if labels not in ("detail", "export"):
        raise ValueError(f"labels {labels!r}: expected 'detail' or 'export'")
    root = data_roots(data_root)[0]
    steps[name](root, data_root, say)
    counts = counted(name, data_root)
    for split, count in counts.items():
        say(f"{name} {split}: {count}")
    whole = all(isinstance(count, int) for count in counts.values())
    if whole:
        say(f"{name} is ready; `segtutor data check {name}` opens every file")
    return whole


def counted(name: str, data_root: str | Path | None = None) -> dict[str, int | str]:
    """{split: number of samples, or why there is none}; no file is opened."""
    found: dict[str, int | str] = {}
    for split in splits_of(name, data_root):
        try:
            found[split] = len(READERS[name][0](split, data_root))
        except OSError as error:
            found[split] = str(error)
    return found


def _complete(name: str, data_root: str | Path | None, *, published: bool) -> bool:
    """Are all splits there, nothing without partner? published: with as many samples as known."""
    try:
        splits = [READERS[name][0](split, data_root) for split in READERS[name][1]]
    except OSError:
        return False
    return not published or all(len(data) in data.published for data in splits)


def _home(source: Source, data_root: str | Path | None) -> Path:
    """Where an archive is unpacked: beside what is there of it already, else at its own place."""
    for place in data_roots(data_root):
        for folder in (place, place / source.into):
            if (folder / source.holds).is_dir():
                return folder
    return data_roots(data_root)[0] / source.into


def _fetched(source: Source, root: Path, say: Say) -> Path:
    path = root / DOWNLOADS / source.file
    if not path.exists():
        say(f"downloading {source.url} {source.about and f'({source.about}) '}to {path}")
    return fetch(source.url, path, digest=f"sha1:{source.sha1}" if source.sha1 else "")


def _unpacked(archive: Path, target: Path, say: Say) -> None:
    count = unpack(archive, target)
    say(f"{archive.name}: {f'{count} files unpacked' if count else 'unpacked already'} in {target}")


def _ade20k(root: Path, data_root: str | Path | None, say: Say, *, test: bool) -> None:
    parts = [] if _complete("ade20k", data_root, published=True) else ["ade20k"]
    for part in [*parts, *(["ade20k test"] if test else [])]:
        say(LICENCES["ade20k"])
        source = SOURCES[part]
        _unpacked(_fetched(source, root, say), _home(source, data_root), say)


def _pascal_context(
    root: Path, data_root: str | Path | None, say: Say, *, labels: str, workers: int | None
) -> None:
    if _complete("pascal_context", data_root, published=False):
        return
    say(LICENCES["pascal_context"])
    source = SOURCES["voc2010"]
    home = _home(source, data_root)
    year = home / source.holds
    needed = ("detail",) if labels == "detail" else ("train.pth", "val.pth")
    files = [year / SOURCES[part].file for part in needed]  # where both papers' code has them
    if all(file.is_file() for file in files):
        say(f"taking {', '.join(map(str, files))}, as they are")
    else:
        files = [_fetched(SOURCES[part], root, say) for part in needed]
    if labels == "detail":
        counts = detail.from_detail(files[0], year, workers=workers)
    else:
        counts = detail.from_dictionaries(files[0].parent, year, workers=workers)
    say(f"label images written to {year / LABELS}: {counts}")
    if not _complete("pascal_context", data_root, published=False):  # photographs are missing
        _unpacked(_fetched(source, root, say), home, say)


def _cityscapes(
    root: Path, data_root: str | Path | None, say: Say, *, train_ids: bool, workers: int | None
) -> None:
    for archive, target in archives("cityscapes", data_root):
        _unpacked(archive, target, say)
    counts = counted("cityscapes", data_root)
    if any(isinstance(count, str) for count in counts.values()):
        files = "".join(f"\n  {file:30} {what}" for file, what in CITYSCAPES.items())
        say(GATED["cityscapes"].format(files=files, folder=root / DOWNLOADS))
    elif train_ids:
        for split in counts:
            data = READERS["cityscapes"][0](split, data_root)
            each(cityscapes.write_train_ids, data.labels, workers=workers, what=f"{split} ids")
        say("labelTrainIds are written beside the label files")


def _camvid(root: Path, data_root: str | Path | None, say: Say) -> None:
    if any(isinstance(count, str) for count in counted("camvid", data_root).values()):
        say(GATED["camvid"].format(folder=root / "camvid"))


def archives(name: str, data_root: str | Path | None = None) -> list[tuple[Path, Path]]:
    """(archive, where it belongs) of what lies in the download folders."""
    sources = {
        "ade20k": [SOURCES["ade20k"]],
        "pascal_context": [SOURCES["voc2010"]],
        "cityscapes": [Source(f, "", "", "", "cityscapes", "leftImg8bit") for f in CITYSCAPES],
    }.get(name.removesuffix("_59"), [])
    return [
        (root / DOWNLOADS / source.file, _home(source, data_root))
        for root in data_roots(data_root)
        for source in sources
        if (root / DOWNLOADS / source.file).is_file()
    ]


def half_unpacked(name: str, data_root: str | Path | None = None) -> list[str]:
    """A sentence for each downloaded archive that is broken or unpacked only in part."""
    found, command = [], f"segtutor data prepare {name.removesuffix('_59')}"
    for archive, target in archives(name, data_root):
        try:
            lacking = missing(archive, target)
        except ValueError as error:
            found.append(str(error))
            continue
        if lacking:
            found.append(
                f"{len(lacking)} files of {archive} are not in {target} or have another size, "
                f"first {lacking[0].name}: half unpacked? `{command}` goes on"
            )
    return found
