"""What the failure finder found, on one sheet: regions, small things missed, classes confused.

Implements  : one picture for the four kinds of Segmenter figures 9-12
Taught in   : chapter 15, Reading the model

Above, a row for each region in which the two models differ most: photograph, truth, both answers.
Below, by class: the share of small pieces that each model missed; and the commonest confusions.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from segtutor.insight.failures import Failures
from segtutor.insight.plots import COLOURS, as_picture, legend_patches, overlay

BARS = 6  # classes, and pairs of classes, that the charts show


def failures_figure(
    found: Failures,
    palette: Sequence[tuple[int, int, int]],
    *,
    regions: int = 4,
    opacity: float = 0.6,
    width: float = 8.0,
) -> Figure:
    """found: of `FailureFinder.result`. regions: how many are drawn. width: inches."""
    shown = found.regions[:regions]
    cell = width / 4
    heights = [cell * r.window.height / r.window.width + 0.3 for r in shown]
    missed, pairs = missed_shares(found), confusion_shares_of_both(found)
    charts = 1.35 + 0.36 * max(len(missed), len(pairs), 2)
    labels = [m for r in shown for m in (r.truth, *r.predictions)]
    entries = legend_patches(labels, found.classes, palette)
    per_row = max(1, int(width / 1.5))
    legend = 0.2 + 0.22 * -(-len(entries) // per_row) if shown else 0.05
    figure = plt.figure(figsize=(width, sum(heights) + legend + charts))
    parts = figure.subfigures(3, 1, height_ratios=[max(sum(heights), 0.05), legend, charts])
    if shown:
        _regions(parts[0], found, shown, heights, palette, opacity)
        parts[1].legend(handles=entries, loc="center", ncols=per_row, fontsize=9)
    room = dict(left=0.13, right=0.98, wspace=0.72, top=1 - 0.5 / charts, bottom=0.85 / charts)
    left, right = parts[2].subplots(1, 2, gridspec_kw=room)
    low, high = found.small
    _bars(left, found, [(found.classes[k], s) for k, s in missed], "missed, percent")
    left.set_title(f"small pieces missed ({low}-{high} px)", loc="left")
    _bars(right, found, pairs, "of the true pixels, percent")
    right.set_title("truth → answer", loc="left")
    bars, names = left.get_legend_handles_labels()
    parts[2].legend(bars, names, loc="lower center", ncols=2, fontsize=9)
    return figure


def missed_shares(found: Failures) -> list[tuple[int, tuple[float, float]]]:
    """(class, share of its small pieces missed by each model), the largest difference first; at
    most BARS of them.
    """
    rows = [(k, (m.by[0] / m.seen, m.by[1] / m.seen)) for k, m in found.missed.items()]
    return sorted(rows, key=lambda row: -abs(row[1][0] - row[1][1]))[:BARS]


def confusion_shares_of_both(found: Failures) -> list[tuple[str, tuple[float, float]]]:
    """("truth → answer", share of the truth's pixels in each model), the commonest of either model
    first; at most BARS of them.
    """
    best = [{(t, a): s for t, a, s in found.pairs(i, BARS)} for i in range(2)]
    worst = {pair: max(b.get(pair, 0.0) for b in best) for pair in (*best[0], *best[1])}
    order = sorted(worst, key=lambda pair: -worst[pair])[:BARS]
    rows = []
    for t, a in order:
        shares = tuple(float(m[t, a] / m[t].sum().clamp(min=1)) for m in found.matrices)
        rows.append((f"{found.classes[t]} → {found.classes[a]}", shares))
    return rows


def failures_alt(found: Failures) -> str:
    """The sheet in words, with its numbers."""
    a, b = found.models
    n = len(found.images)
    text = [f"What separates {a} from {b} on {n} photograph{'s' * (n > 1)}."]
    if found.regions:
        first = found.regions[0]
        right = [f"{100 * share:.0f} %" for share in first.right]
        text.append(
            f"They differ most in a window of {first.name}: at {100 * first.differ:.0f} % of its "
            f"pixels, where {a} is right at {right[0]} and {b} at {right[1]}."
        )
    else:
        text.append("They give the same answer everywhere.")
    seen = sum(m.seen for m in found.missed.values())
    if seen:
        lost = [sum(m.by[i] for m in found.missed.values()) for i in range(2)]
        both = sum(m.both for m in found.missed.values())
        text.append(
            f"Of {seen} small pieces ({found.small[0]} to {found.small[1]} pixels) {a} misses "
            f"{lost[0]}, {b} {lost[1]}, and {both} are missed by both."
        )
    for name, model in ((a, 0), (b, 1)):
        for truth, answer, share in found.pairs(model, 1):
            text.append(
                f"{name} most often takes {found.classes[truth]} for {found.classes[answer]} "
                f"({100 * share:.0f} % of its pixels)."
            )
    return " ".join(text)


def _regions(part, found: Failures, shown, heights, palette, opacity: float) -> None:
    axes = part.subplots(
        len(shown), 4, squeeze=False,
        gridspec_kw=dict(height_ratios=heights, left=0.005, right=0.995, wspace=0.03, hspace=0.02,
                         top=0.995, bottom=0.005),
    )  # fmt: skip
    for line, region in zip(axes, shown, strict=True):
        line[0].imshow(as_picture(region.image))
        first, second = region.right
        titles = (
            region.name if len(region.name) <= 24 else f"…{region.name[-23:]}",
            f"truth; answers differ: {100 * region.differ:.0f} %",
            f"{found.models[0]}: {100 * first:.0f} % right",
            f"{found.models[1]}: {100 * second:.0f} % right",
        )
        maps = (region.truth, *region.predictions)
        for axis, label in zip(line[1:], maps, strict=True):
            axis.imshow(overlay(region.image, label, palette, opacity=opacity))
        for axis, title in zip(line, titles, strict=True):
            axis.set_title(title, fontsize=9, loc="left", pad=3)
            axis.set_axis_off()


def _bars(axis, found: Failures, rows, label: str) -> None:
    """Two bars a row, one a model."""
    for i, (name, colour) in enumerate(zip(found.models, COLOURS, strict=False)):
        places = [k + 0.19 * (2 * i - 1) for k in range(len(rows))]
        values = [100 * shares[i] for _, shares in rows]
        axis.barh(places, values, height=0.36, color=colour, label=name)
    axis.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=9)
    axis.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axis.set_xlabel(label)
    if not rows:
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, ha="center")
