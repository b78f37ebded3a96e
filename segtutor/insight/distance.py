"""How far does a head look? Mean attention distance, beside the field that a ResNet can see.

Implements  : Segmenter figure 7 (size of the attended area by head and depth); the measure is that
              of ViT (Dosovitskiy et al. 2021, appendix D.7)
Taught in   : chapter 15, Reading the model
Differs     : - the paper marks no ResNet in its figure, it only says that some heads of the first
                layer look beyond the field of a ResNet's first layers; here the field is drawn.
              - neither paper says what becomes of the class token: its weight is left out, and each
                patch's row is divided by what remains.

A receptive field is a bound, attention distance a mean. So the field is drawn as its reach, half of
its side: no pixel further away, along an axis, can change the unit at all. What really matters to a
unit is less (Luo et al. 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from segtutor.insight.inside import finite
from segtutor.insight.plots import COLOURS
from segtutor.tokens.patch import Grid

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}  # bottlenecks of the four stages


def patch_distances(grid: Grid, patch: int) -> Tensor:
    """Pixels from centre to centre of every pair of patches, (N, N). patch: side in pixels."""
    h, w = grid
    rows = torch.arange(h).repeat_interleave(w).double()  # (N,)
    cols = torch.arange(w).repeat(h).double()  # (N,)
    return patch * torch.hypot(rows[:, None] - rows, cols[:, None] - cols)  # (N, N)


def attention_distance(attention: Tensor, grid: Grid, patch: int, extra: int = 1) -> Tensor:
    """Mean distance, in pixels, between a patch and what it looks at: (L, A, T, T) -> (L, A).

    Weights to extra tokens are left out, rows divided by what remains; then the mean over patches.
    A row that gives everything to the extra tokens has no distance and is left out of that mean.
    """
    N = grid[0] * grid[1]
    if attention.ndim != 4 or attention.shape[-1] != extra + N:
        raise ValueError(
            f"attention of shape {tuple(attention.shape)} does not fit {extra} extra tokens and a "
            f"{grid[0]}x{grid[1]} grid: expected (L, A, {extra + N}, {extra + N})"
        )
    far = patch_distances(grid, patch)  # (N, N)
    found = []
    for layer in finite(attention)[:, :, extra:, extra:]:  # one at a time, to spare memory
        weights = layer.double()  # (A, N, N)
        total = weights.sum(-1)  # (A, N)
        mean = (weights * far).sum(-1) / total  # (A, N), nan for empty rows
        found.append(mean.nanmean(-1))  # (A,)
    return torch.stack(found)  # (L, A)


def uniform_distance(grid: Grid, patch: int) -> float:
    """The mean distance if every patch looked at all patches alike: what "global" comes to."""
    return patch_distances(grid, patch).mean().item()


def receptive_fields(name: str = "resnet50", *, stride: int = 32) -> dict[str, int]:
    """Side in pixels of the square that a unit of a ResNet can see, after each part.

    name: "resnet50" or "resnet101". stride: of the last map; 32 as a classifier, 16 or 8 where the
    last stages keep their resolution and dilate instead, as in the FCNs that the papers compare
    with. Strides sit in the 3x3 convolutions, as in torchvision. Returns {"stem": 7, "pool": 11,
    "stage 1": ..., ..., "stage 4": ...}; only the border cuts it off.
    """
    if name not in BLOCKS:
        raise ValueError(f"no receptive field known for {name!r}; known: {', '.join(BLOCKS)}")
    if stride not in (8, 16, 32):
        raise ValueError(f"stride is {stride}, expected 8, 16 or 32")
    side, step = 7, 2  # after the 7x7 convolution of stride 2: field, and pixels between units
    fields = {"stem": side}
    side, step = side + 2 * step, 2 * step  # 3x3 maximum, stride 2
    fields["pool"] = side
    dilation = 1
    for stage, blocks in enumerate(BLOCKS[name]):
        for block in range(blocks):
            side += 2 * step * dilation  # the one 3x3 convolution of a bottleneck
            if block == 0 and stage > 0:
                if step < stride:
                    step *= 2
                else:
                    dilation *= 2  # from the second block on, as torchvision does it
        fields[f"stage {stage + 1}"] = side
    return fields


def distance_figure(
    distances: Tensor,
    *,
    fields: dict[str, int] | None = None,
    uniform: float | None = None,
    backbone: str = "ResNet-50",
    size: tuple[float, float] = (7.0, 3.8),
) -> Figure:
    """A dot for each head, layers from left to right, the mean of each layer as a line.

    distances: (L, A) pixels. fields: of `receptive_fields`; half of each is drawn as a line where
    it is within the picture. uniform: of `uniform_distance`, drawn as a dotted line. backbone: the
    fields' name in the picture.
    """
    L, A = distances.shape
    values = distances.cpu().numpy()
    figure, axis = plt.subplots(figsize=size)
    top = 1.12 * max(np.nanmax(values), uniform or 0.0)
    spread = np.linspace(-0.16, 0.16, A) if A > 1 else np.zeros(1)
    layers = np.arange(1, L + 1)
    lines = [] if fields is None else [(n, s / 2) for n, s in fields.items() if s / 2 < top]
    for _, reach in lines:
        axis.axhline(reach, color="0.72", linewidth=1.2, zorder=0)
    labels = [(reach, f"{backbone} {name} reaches {reach:g}", "0.3") for name, reach in lines]
    if uniform is not None:
        axis.axhline(uniform, color=COLOURS[2], linewidth=1.5, linestyle=":", zorder=0)
        labels.append((uniform, f"all patches alike: {uniform:.0f}", "#00664b"))
    axis.plot(layers, np.nanmean(values, 1), color=COLOURS[1], linewidth=1.6, label="mean of heads",
              zorder=1)  # fmt: skip
    axis.scatter(
        (layers[:, None] + spread).ravel(),
        values.ravel(),
        s=30,
        color=COLOURS[0],
        edgecolor="white",
        linewidth=0.6,
        label="one head",
        zorder=2,
    )
    for height, (_, text, colour) in zip(_apart(labels, 0.055 * top), labels, strict=True):
        axis.annotate(text, (1.015, height), xycoords=("axes fraction", "data"), fontsize=8.5,
                      color=colour, va="center", annotation_clip=False)  # fmt: skip
    axis.set_xlim(0.5, L + 0.5)
    axis.set_ylim(0, top)
    axis.set_xticks(layers if L <= 12 else layers[1::2])
    axis.set_xlabel("layer")
    axis.set_ylabel("mean attention distance, pixels")
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9, borderpad=0)
    figure.tight_layout()
    return figure


def _apart(labels: Sequence[tuple[float, str, str]], gap: float) -> list[float]:
    """Heights of the labels, moved up where two would overlap."""
    heights = [height for height, _, _ in labels]
    order = sorted(range(len(heights)), key=heights.__getitem__)
    for below, above in zip(order, order[1:], strict=False):
        heights[above] = max(heights[above], heights[below] + gap)
    return heights


def distance_alt(
    distances: Tensor, *, fields: dict[str, int] | None = None, backbone: str = "ResNet-50"
) -> str:
    """The picture in words: nearest and furthest head of the first and the last layer, and how many
    first-layer heads look further than a ResNet's first stages reach.
    """
    L, A = distances.shape
    first, last = distances[0], distances[-1]
    text = (
        f"Mean attention distance of {A} heads in each of {L} layers. Layer 1: "
        f"{first.min():.0f} to {first.max():.0f} pixels, mean {first.mean():.0f}; layer {L}: "
        f"{last.min():.0f} to {last.max():.0f}, mean {last.mean():.0f}."
    )
    for name in ("stage 1", "stage 2") if fields else ():
        beyond = int((first > fields[name] / 2).sum())
        text += (
            f" {beyond} of {A} heads of layer 1 look further than {backbone} {name} reaches "
            f"({fields[name] / 2:g} pixels)."
        )
    return text
