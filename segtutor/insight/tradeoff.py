"""Speed against accuracy: images per second and mIoU of many models in one chart.

Implements  : the chart of Segmenter figure 4
Taught in   : chapter 10, Patch size, capacity and regularisation; chapter 16
Departs     : the paper's chart has no table of its own. The printed points here are those whose
              speed stands in its tables 3 and 6 or its text; its curves of ResNet baselines cannot
              be read off and are left out. Table 3 prints 92 images/s for Seg-B with DeiT weights,
              table 6 prints 77: we draw table 3's, as for all linear decoders. Throughput depends
              on the machine and mIoU on the data, so points measured elsewhere get a panel of their
              own: side by side, never on one axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from segtutor.insight.plots import COLOURS, write_names
from segtutor.named import MODELS

# name of `segtutor models` -> images/s as printed, and where; mIoU stands in named.py
PRINTED = {
    "segmenter-linear-tiny-16": (396, "table 3"),
    "segmenter-linear-small-32": (1032, "table 3"),
    "segmenter-linear-small-16": (196, "table 3"),
    "segmenter-linear-base-deit-16": (92, "table 3"),
    "segmenter-linear-base-32": (516, "table 3"),
    "segmenter-linear-base-16": (92, "table 3"),
    "segmenter-linear-base-8": (7, "table 3"),
    "segmenter-linear-large-16": (33, "table 3"),
    "segmenter-mask-base-32": (400, "section 4.3, about"),
    "segmenter-mask-base-deit-16": (76, "table 6"),
    "segmenter-mask-large-16-640": (31, "table 6"),
    "setr-mla-large": (34, "table 6"),
}
OTHERS = {  # networks that are not in named.py: images/s, mIoU. Table 6
    "DeepLabv3+ ResNet-101": (76, 45.47),
    "DeepLabv3+ ResNeSt-101": (15, 46.47),
    "UPerNet Swin-L": (34, 52.10),
}
MACHINE = "one V100, 512 × 512"  # section 4.3: the largest batch that fits
FAMILIES = {"linear": ("o", COLOURS[0]), "mask": ("s", COLOURS[1]), "SETR": ("D", COLOURS[2]),
            "others": ("^", COLOURS[3])}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One model. images_s: images per second. miou: percent. family: key of FAMILIES. data,
    machine: what both numbers depend on; points that share them share a panel. source: "paper",
    or "ours".
    """

    name: str
    family: str
    images_s: float
    miou: float
    data: str
    machine: str
    source: str


def published_points() -> list[Point]:
    """Every model whose speed and single-scale mIoU Segmenter's paper prints, on ADE20K."""
    found = []
    for name, (speed, _) in PRINTED.items():
        found.append(_point(_short(name), family_of(name), speed, MODELS[name].miou))
    for name, (speed, miou) in OTHERS.items():
        found.append(_point(name, "others", speed, miou))
    return found


def measured_points(benches: Sequence[dict], trainings: Sequence[dict]) -> list[Point]:
    """Our own: speed of `segtutor bench` records, mIoU of ledger lines of `segtutor train`.

    They belong together if the run's name ends in the model's, or in the name of its file. Several
    runs (seeds) of one model: their mean. Of several benches of a model on one machine: the last.
    Raises ValueError, listing what there is, if nothing belongs together.
    """
    found: dict[tuple, Point] = {}
    for bench in benches:
        name = bench["model"].removesuffix(".safetensors")
        speeds = [r["ours"]["images_s"] for r in bench["results"] if r["task"] == "predict"]
        runs = [t for t in trainings if t.get("run", "").endswith(name) and "miou" in t]
        for data in dict.fromkeys(run["data"] for run in runs if speeds):
            scores = [run["miou"] for run in runs if run["data"] == data]
            device = bench["machine"] if bench["device"] == "cpu" else bench["device"]
            machine = f"{device}, {bench['size']} × {bench['size']}"
            miou = 100 * sum(scores) / len(scores)
            found[name, data, machine] = Point(
                _short(name), family_of(name), speeds[0], miou, data, machine, "ours"
            )
    if not found:
        raise ValueError(
            f"no bench and no training belong together: benches of "
            f"{sorted({b['model'] for b in benches})}, runs "
            f"{sorted({t.get('run', '?') for t in trainings})}. Run `segtutor bench MODEL --what "
            "predict` with the model that the run's name ends in"
        )
    return list(found.values())


def family_of(name: str) -> str:
    """Key of FAMILIES for a name of `segtutor models`."""
    if name.startswith("setr"):
        return "SETR"
    return "mask" if "-mask" in name else "linear" if "-linear" in name else "others"


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both speed and mIoU, fastest first."""
    best, kept = float("-inf"), []
    for point in sorted(points, key=lambda p: (-p.images_s, -p.miou)):
        if point.miou > best:
            best = point.miou
            kept.append(point)
    return kept


def tradeoff_figure(points: Sequence[Point], *, width: float = 7.0, height: float = 4.6) -> Figure:
    """One panel for each data set and machine. Hollow marks: printed in a paper; filled: measured
    by us. The line joins the points that no other beats in both. width, height: inches of a panel.
    """
    panels = _panels(points)
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(width, height * len(panels)), squeeze=False
    )
    for axis, (title, group) in zip(axes[:, 0], panels.items(), strict=True):
        axis.set_title(title, loc="left")
        line = front(group)
        axis.plot([p.images_s for p in line], [p.miou for p in line], color="0.8", zorder=1)
        for family, (marker, colour) in FAMILIES.items():
            for source in ("paper", "ours"):
                some = [p for p in group if (p.family, p.source) == (family, source)]
                if some:
                    axis.scatter(
                        [p.images_s for p in some], [p.miou for p in some], s=46, marker=marker,
                        facecolor=colour if source == "ours" else "white", edgecolor=colour,
                        linewidth=1.8, zorder=3, label=f"{family}, {SAID[source]}",
                    )  # fmt: skip
        axis.set_xscale("log")
        low, high = (f(p.images_s for p in group) for f in (min, max))
        axis.set_xlim(low / 1.6, high * 2.4)
        axis.margins(y=0.12)
        axis.set_xlabel("images per second (log scale)")
        axis.set_ylabel("mIoU, percent")
        ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
                 if low / 1.6 <= t <= high * 2.4]  # fmt: skip
        if len(ticks) > 1:
            axis.set_xticks(ticks, [str(t) for t in ticks])
            axis.xaxis.set_minor_locator(plt.NullLocator())
        axis.grid(color="0.92", zorder=0)
        axis.legend(loc="upper right", fontsize=9)  # where no model gets to: fast and good
    figure.tight_layout()
    for axis, group in zip(axes[:, 0], panels.values(), strict=True):
        legend = axis.get_legend().get_window_extent(figure.canvas.get_renderer())
        places = torch.tensor([(p.images_s, p.miou) for p in group])
        write_names(axis, {i: p.name for i, p in enumerate(group)}, places, avoid=[legend])
    return figure


SAID = {"paper": "printed in the paper", "ours": "measured by us"}


def tradeoff_alt(points: Sequence[Point]) -> str:
    """The chart in words: of each panel the fastest, the best, and what no other beats."""
    text = []
    for title, group in _panels(points).items():
        fast, good = max(group, key=lambda p: p.images_s), max(group, key=lambda p: p.miou)
        line = ", ".join(f"{p.name} ({p.images_s:.4g}/s, {p.miou:.1f} %)" for p in front(group))
        text.append(
            f"{title}: images per second against mIoU of {len(group)} models. Fastest is "
            f"{fast.name} with {fast.images_s:.4g} images/s and {fast.miou:.1f} % mIoU, best "
            f"{good.name} with {good.miou:.1f} % at {good.images_s:.4g} images/s. No other beats "
            f"in both: {line}."
        )
    return " ".join(text)


def _panels(points: Sequence[Point]) -> dict[str, list[Point]]:
    if not points:
        raise ValueError("no point to draw: give published_points(), measured_points(...) or both")
    panels: dict[str, list[Point]] = {}
    for p in points:
        panels.setdefault(f"{p.data}; {p.machine}; {SAID[p.source]}", []).append(p)
    return panels


def _point(name: str, family: str, speed: float, miou: float) -> Point:
    return Point(name, family, speed, miou, "ADE20K", MACHINE, "paper")


def _short(name: str) -> str:
    """segmenter-mask-base-deit-16 -> Seg-B†-Mask/16, as the paper writes; others as they are."""
    parts = name.split("-")
    sizes = {"tiny": "Ti", "small": "S", "base": "B", "large": "L"}
    if name.startswith("setr") and len(parts) == 3:
        return f"SETR-{parts[1].upper() if parts[1] != 'naive' else 'Naive'} {parts[2]}"
    if len(parts) < 4 or parts[0] != "segmenter" or parts[2] not in sizes:
        return name
    deit = "†" if "deit" in parts else ""
    patch = parts[4] if deit else parts[3]
    return f"Seg-{sizes[parts[2]]}{deit}{'-Mask' if parts[1] == 'mask' else ''}/{patch}"
