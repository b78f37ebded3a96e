"""One page on what is here: packages, device, data, weights, and what the profiles will do with
them.

segtutor doctor
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from segtutor import __version__, locations
from segtutor.data import camvid
from segtutor.reproduce.ledger import processor, versions
from segtutor.training.precision import fastest
from segtutor.weights import PRETRAINED, find_weights

BOOK_PACKAGES = ("papermill", "jupyter_book", "ipywidgets", "skimage")


def examine(data_root: str | None = None) -> str:
    """The report as text. Never fails: what is missing is said, with what to do."""
    lines = [f"segtutor {__version__}", ""]
    lines += ["packages"] + [f"  {name:14s} {v}" for name, v in versions().items()]
    missing = [name for name in BOOK_PACKAGES if importlib.util.find_spec(name) is None]
    lines.append(
        f"  for the book: missing {', '.join(missing)} (pip install 'segtutor[book]')"
        if missing
        else "  for the book: all there"
    )
    lines += ["", "device"] + _devices()
    lines += ["", "data and weights"] + _data(data_root)
    lines += ["", "what the profiles will do here"] + _profiles(data_root)
    return "\n".join(lines)


def _devices() -> list[str]:
    import torch

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    lines = [f"  {processor()}, {torch.get_num_threads()} threads, {free:.0f} GB disk free"]
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            p = torch.cuda.get_device_properties(i)
            lines.append(f"  GPU {i}: {p.name}, {p.total_memory / 2**30:.0f} GiB")
    else:
        lines.append("  no CUDA GPU: everything runs on the processor")
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    lines.append(f"  precision 'auto' means {fastest(torch.device(kind))} here (measured)")
    return lines


def _data(data_root: str | None) -> list[str]:
    roots = [str(root) for root in locations.data_roots(data_root)]
    lines = [f"  looked in: {', '.join(roots)}"]
    here = camvid.available(data_root)
    lines.append(
        f"  CamVid: {'found' if here else 'not found (ToyScenes, drawn on the spot, stand in)'}"
    )
    found = [name for name in PRETRAINED if find_weights(name, data_root)]
    lines.append(
        f"  pretrained encoders: {', '.join(found) or 'none here (timm downloads them if it can)'}"
    )
    return lines


def _profiles(data_root: str | None) -> list[str]:
    import torch

    real = camvid.available(data_root) and find_weights("deit_tiny_patch16_224", data_root)
    data = "CamVid and DeiT-Tiny" if real else "ToyScenes from random weights"
    gpu = "uses the GPU" if torch.cuda.is_available() else "needs a CUDA GPU; would be slow here"
    return [
        "  smoke  runs every cell in seconds, to see that it works; its numbers mean nothing",
        f"  cpu    the published page; chapter 00 trains on {data}",
        f"  gpu    longer training; {gpu}",
    ]
