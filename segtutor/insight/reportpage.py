"""The report of an evaluation as one HTML page with pictures, for people.

Taught in   : chapter 12 (what the numbers mean), chapter 14 (how they come about)

What `evaluation.report` found, its confusion matrix, and the best and worst images. The page needs
no other file, so it can be sent by mail.
"""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segtutor.data.dataset import Sample
from segtutor.data.sheet import inline
from segtutor.evaluation.report import percent
from segtutor.insight.confusion import confusion_alt, confusion_figure
from segtutor.insight.overlays import with_legend

SHOWN = 30  # classes of the confusion matrix


def write_page(
    path: str | Path,
    found: dict,
    palette: Sequence[tuple[int, int, int]],
    pictures: dict[str, Sequence[tuple[Sample, torch.Tensor]]],
) -> Path:
    """found: of `evaluation.report`. pictures: {"best": ..., "worst": ...}, each (sample,
    prediction) in the order of the report. Returns the path.
    """
    classes = [c["name"] for c in found["classes"]]
    matrix = torch.tensor(found["confusion"])
    parts = [
        _heading(found),
        _class_table(found),
        _confusion(matrix, classes),
        *(_gallery(which, found, pictures.get(which, ()), classes, palette)
          for which in ("worst", "best")),
    ]  # fmt: skip
    title = html.escape(f"{found['model']} on {found['data']}")
    page = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body {{font-family: sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em}}
td, th {{padding: 0.15em 0.8em; text-align: right}} :is(td, th):first-child {{text-align: left}}
img {{max-width: 100%}} figure {{margin: 1em 0}} figcaption {{font-size: small}}
table {{border-collapse: collapse}} tr:nth-child(even) {{background: #f4f4f4}}</style>
<h1>{title}</h1>
{"".join(parts)}
</html>
"""
    path = Path(path)
    path.write_text(page, "utf-8")
    return path


def _heading(found: dict) -> str:
    rows = [
        ("mIoU", percent(found["miou"])),
        ("pixel accuracy", percent(found["pixel_accuracy"])),
        ("mean accuracy", percent(found["mean_accuracy"])),
    ]
    if found["interval"]:
        i = found["interval"]
        between = f"{percent(i['low'])} to {percent(i['high'])}"
        rows.insert(1, (f"{100 * i['level']:.0f} % interval over images", between))
    for name, group in (found["by_size"] or {}).items():
        rows.append((f"mIoU of {name} classes", percent(group["miou"])))
    table = "".join(f"<tr><td>{name}</td><td>{value} %</td></tr>" for name, value in rows)
    how = html.escape(found["how"])
    note = html.escape(found["size_definition"]) if found["by_size"] else ""
    return f"<p>{found['images']} images. {how}</p>\n<table>{table}</table>\n<p>{note}</p>\n"


def _class_table(found: dict) -> str:
    ranked = sorted(found["classes"], key=lambda c: -1 if c["iou"] is None else c["iou"])[::-1]
    rows = "".join(
        f"<tr><td>{html.escape(c['name'])}</td><td>{percent(c['iou'])}</td>"
        f"<td>{percent(c['recall'])}</td><td>{c['pixels']:,}</td></tr>\n"
        for c in ranked
    )
    return (
        "<h2>Classes</h2>\n<table><tr><th>class</th><th>IoU %</th><th>recall %</th>"
        f"<th>pixels</th></tr>\n{rows}</table>\n"
    )


def _confusion(matrix: torch.Tensor, classes: list[str]) -> str:
    if not matrix.sum():
        return ""
    import matplotlib.pyplot as plt

    figure, buffer = confusion_figure(matrix, classes, only=SHOWN), io.BytesIO()
    figure.savefig(buffer, dpi=90)
    plt.close(figure)
    drawn = np.asarray(Image.open(buffer).convert("RGB"))
    alt = html.escape(confusion_alt(matrix, classes))
    few = f" The {SHOWN} classes with the most mistaken pixels." if len(classes) > SHOWN else ""
    return (
        f'<h2>What is taken for what</h2>\n<figure><img src="{inline(drawn, None)}" alt="{alt}">'
        f"<figcaption>{alt}{few}</figcaption></figure>\n"
    )


def _gallery(which: str, found: dict, pictures, classes, palette) -> str:
    parts = []
    for entry, (sample, prediction) in zip(found[which], pictures, strict=False):
        both = [
            with_legend(sample.image, label, classes, palette)
            for label in (sample.label, prediction)
        ]
        height = max(len(side) for side in both)
        both = [
            np.pad(side, ((0, height - len(side)), (0, 0), (0, 0)), constant_values=255)
            for side in both
        ]
        words = html.escape(f"{entry['image']}: mIoU {percent(entry['miou'])} %")
        parts.append(
            f'<figure><img src="{inline(np.concatenate(both, 1), 600)}" '
            f'alt="Truth and prediction of {words}"><figcaption>{words}</figcaption></figure>\n'
        )
    if not parts:
        return ""
    return (
        f"<h2>{which.capitalize()} images</h2>\n<p>Left the truth, right the prediction.</p>\n"
        + "".join(parts)
    )
