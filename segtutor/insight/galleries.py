"""Several photographs with label maps under each other, and the IoU of each class as bars.

Taught in   : the "Full training" notebooks; chapter 12 for what the bars mean
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from segtutor.insight.plots import COLOURS, as_picture, legend_patches, overlay

LEGEND = 12  # classes named below a gallery


def gallery(
    rows: Sequence[tuple[Tensor, dict[str, Tensor], str]],
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    *,
    width: float = 8.0,
    opacity: float = 0.6,
) -> Figure:
    """One row a photograph: itself, then each label map over it; the commonest classes below.

    rows: (image (3, H, W), {title: label map (H, W)}, name). All rows have the same titles. width:
    inches.
    """
    maps = list(rows[0][1])
    side = width / (1 + len(maps))
    height = side * sum(image.shape[-2] / image.shape[-1] for image, _, _ in rows)
    figure, axes = plt.subplots(
        len(rows), 1 + len(maps), figsize=(width, height + 0.25 * len(rows) + 0.9), squeeze=False
    )
    pixels = torch.zeros(256, dtype=torch.int64)
    for line, (image, labels, name) in zip(axes, rows, strict=True):
        line[0].imshow(as_picture(image))
        line[0].set_title(name, fontsize=9, loc="left")
        for axis, title in zip(line[1:], maps, strict=True):
            label = torch.as_tensor(labels[title]).cpu()
            pixels += torch.bincount(label.flatten().long(), minlength=256)
            axis.imshow(overlay(image, label, palette, opacity=opacity))
            axis.set_title(title, fontsize=9, loc="left")
    for axis in axes.flat:
        axis.set_axis_off()
    common = [k for k in pixels[: len(classes)].argsort(descending=True).tolist() if pixels[k]]
    entries = legend_patches([torch.tensor(common[:LEGEND])], classes, palette)
    figure.tight_layout(rect=(0, 0.45 / figure.get_figheight(), 1, 1))
    figure.legend(handles=entries, loc="lower center", ncols=6, fontsize=9)
    return figure


def iou_bars(found: dict, *, most: int = 30) -> Figure:
    """IoU of each class as bars, best first, with the mean as a line.

    found: of `evaluation.report`. most: classes shown; of more, the best and the worst halves.
    Classes that do not occur are left out.
    """
    known = [c for c in found["classes"] if c["iou"] is not None]
    ranked = sorted(known, key=lambda c: -c["iou"])
    if len(ranked) > most:
        ranked = ranked[: most // 2] + ranked[-(most - most // 2) :]
    figure, axis = plt.subplots(figsize=(7.5, 0.9 + 0.22 * max(len(ranked), 3)))
    places = range(len(ranked))
    axis.barh(places, [100 * c["iou"] for c in ranked], color=COLOURS[0], height=0.7)
    axis.axvline(100 * found["miou"], color=COLOURS[1], linestyle="--", label="mean of all classes")
    axis.set_yticks(places, [c["name"] for c in ranked], fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_xlabel("IoU, percent")
    axis.legend(loc="lower right", fontsize=9)
    figure.tight_layout()
    return figure


def iou_words(found: dict) -> str:
    """The bars in a sentence."""
    known = sorted((c for c in found["classes"] if c["iou"] is not None), key=lambda c: -c["iou"])
    if not known:
        return "Bars of the IoU of each class: there is none, no class occurs."
    best, worst = known[0], known[-1]
    return (
        f"Bars of the IoU of {len(known)} classes that occur; best {best['name']} "
        f"({100 * best['iou']:.0f} %), worst {worst['name']} ({100 * worst['iou']:.0f} %), "
        f"mean {100 * found['miou']:.1f} %."
    )
