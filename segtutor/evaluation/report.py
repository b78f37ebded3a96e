"""What an evaluation found, as JSON for programs and as text for people.

Taught in   : chapter 12
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path

from segtutor.data.dataset import SegmentationData
from segtutor.evaluation.protocols import Protocol
from segtutor.evaluation.score import Scores
from segtutor.evaluation.sizes import DEFINITION


def report(
    scores: Scores, data: SegmentationData, protocol: Protocol, *, model: str, extremes: int = 5
) -> dict:
    """Everything worth keeping of an evaluation, as plain data; scores are fractions of 1, None
    where there is nothing to count.

    model: how to call it, e.g. its file. extremes: how many best and worst images. Groups by size
    need three classes, an interval two images; without, they are None.
    """
    iou, recall = scores.whole.iou, scores.whole.recall
    pixels = scores.whole.matrix.sum(1)
    try:
        by_size, groups = scores.by_size()
        sizes = {
            k: {"miou": v, "classes": [data.classes[i] for i in groups[k]]}
            for k, v in by_size.items()
        }
    except ValueError:
        sizes = None
    try:
        interval = scores.interval()._asdict()
    except ValueError:
        interval = None
    return _plain(
        {
            "model": model,
            "data": data.name,
            "images": len(scores.names),
            "protocol": asdict(protocol),
            "how": protocol.describe(),
            **scores.whole.result(),
            "interval": interval,
            "classes": [
                {"name": name, "iou": iou[k], "recall": recall[k], "pixels": int(pixels[k])}
                for k, name in enumerate(data.classes)
            ],
            "by_size": sizes,
            "size_definition": DEFINITION,
            **{
                which: [{"image": scores.names[i], "index": i, "miou": v} for i, v in images]
                for which, images in scores.extremes(extremes).items()
            },
            "confusion": scores.whole.matrix.tolist(),
        }
    )


def percent(value: float | None) -> str:
    """A fraction of 1 in percent, "-" for None."""
    return "-" if value is None else f"{100 * value:.2f}"


def as_text(found: dict) -> str:
    """A report in a screenful."""

    lines = [
        f"{found['model']} on {found['data']}, {found['images']} images",
        found["how"],
        f"mIoU {percent(found['miou'])} %, pixel accuracy {percent(found['pixel_accuracy'])} %, "
        f"mean accuracy {percent(found['mean_accuracy'])} %",
    ]
    if found["interval"]:
        i = found["interval"]
        lines.append(
            f"{100 * i['level']:.0f} % interval of the mIoU over images: "
            f"{percent(i['low'])} to {percent(i['high'])} %"
        )
    lines += ["", "IoU of each class, best first (pixels that are truly of it)"]
    ranked = sorted(found["classes"], key=lambda c: -1 if c["iou"] is None else c["iou"])
    width = max(len(c["name"]) for c in ranked)
    for c in ranked[::-1]:
        lines.append(f"  {c['name']:{width}s}  {percent(c['iou']):>6s} %  {c['pixels']:>14,d}")
    if found["by_size"]:
        groups = [f"{k} {percent(v['miou'])} %" for k, v in found["by_size"].items()]
        lines += ["", "by size of class: " + ", ".join(groups), found["size_definition"], ""]
    for which in ("best", "worst"):
        images = [f"{entry['image']} ({percent(entry['miou'])} %)" for entry in found[which]]
        lines.append(f"{which} images: " + ", ".join(images))
    return "\n".join(lines)


def write_report(path: str | Path, found: dict) -> Path:
    """Write the report as JSON; the file appears whole or not at all.

    Raises PermissionError or another OSError, naming the file, when it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    os.replace(part, path)
    return path


def _plain(value):
    """Numbers of torch and nan -> what JSON knows."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
