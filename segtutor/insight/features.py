"""Feature maps after every layer, in colours that mean the same in each of them, and one by one.

Implements  : SETR figure 5 (Z1, Z9, Z17, Z24) and supplement figure 3 (Z1..Z24, U1..U5)
Taught in   : chapter 15; chapters 06 and 07 for the maps inside the decoders
Differs     : the papers do not say how 1024 channels became a picture. Here the three main
              directions of all maps of one space together become red, green and blue.
              - every vector is divided by its length and each map's mean is taken away first:
                lengths and means change from layer to layer by much more than places differ, and
                the picture would show the layer's number (`plain=True` leaves both as they are);
              - U: PUP has four x2 and the supplement counts five pictures "right after each
                interpolation". U1..U3 here are stages 1 to 3 after their x2, U4 stage 4, which
                gets its x2 as scores (see decoders/pup.py), U5 those class scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from segtutor.decoders import MaskTransformer, MLAFusion, PUPDecoder
from segtutor.insight.inside import checked, watched
from segtutor.insight.plots import as_picture
from segtutor.tokens import Encoder


@dataclass(frozen=True)
class Basis:
    """What turns vectors of one width into colours. directions: (3, D), orthonormal. low, high:
    (3,), what becomes 0 and 1. share: (3,) of the variance that each direction explains.
    """

    directions: Tensor
    low: Tensor
    high: Tensor
    share: Tensor


def pca_basis(maps: Sequence[Tensor], *, plain: bool = False) -> Basis:
    """Three main directions of all vectors of all maps, each (h_i, w_i, D) with one D.

    plain: leave lengths and each map's mean alone; only the common mean is taken away. Colours run
    from the 1st to the 99th percentile of all vectors. A direction is turned so that its largest
    entry is positive, else the same data could come out in two colourings.
    """
    widths = {m.shape[-1] for m in maps}
    if len(widths) != 1:
        raise ValueError(f"maps of widths {sorted(widths)} have no basis in common: one width each")
    vectors = torch.cat([_prepared(m, plain).flatten(0, 1) for m in maps])  # (n, D)
    if len(vectors) < 2:
        raise ValueError(f"{len(vectors)} vectors have no main directions: at least 2")
    vectors = vectors - vectors.mean(0)
    values, directions = torch.linalg.eigh(vectors.T @ vectors / len(vectors))  # ascending
    count = min(3, len(values))
    directions = directions[:, -count:].flip(-1).T  # (3, D), largest first
    largest = directions.abs().argmax(-1, keepdim=True)
    directions = directions * directions.gather(-1, largest).sign()
    marks = torch.quantile(
        _sample(vectors @ directions.T), torch.tensor([0.01, 0.99]).double(), dim=0
    )  # (2, 3)
    share = values[-count:].flip(0).clamp(min=0) / values.clamp(min=0).sum().clamp(min=1e-30)
    return Basis(directions, marks[0], marks[1], share)


def shared_pca(
    maps: Sequence[Tensor], *, spaces: Sequence[str] = (), plain: bool = False
) -> list[Tensor]:
    """Feature maps -> colours in 0..1: list of (h_i, w_i, D_i) -> list of (h_i, w_i, 3).

    Maps of one space and width share one basis and one scale, so that a colour means the same in
    all of them. Others get a basis of their own, and no colour can be compared across bases.
    spaces: a name for each map, see `spaces_of`; none: one space, so that widths alone decide.
    """
    colours: list[Tensor | None] = [None] * len(maps)
    for group in _groups(maps, spaces):
        members = [maps[i] for i in group]
        basis = pca_basis(members, plain=plain)
        centre = torch.cat([_prepared(m, plain).flatten(0, 1) for m in members]).mean(0)  # (D,)
        for i, map_ in zip(group, members, strict=True):
            found = (_prepared(map_, plain) - centre) @ basis.directions.T  # (h, w, 3)
            scaled = (found - basis.low) / (basis.high - basis.low).clamp(min=1e-12)
            blank = torch.full((*scaled.shape[:2], 3), 0.5)
            blank[..., : scaled.shape[-1]] = scaled.clamp(0, 1).float()
            colours[i] = blank  # (h, w, 3)
    return colours


def spaces_of(titles: Iterable[str]) -> list[str]:
    """Which of `feature_maps` live in one space: "Z" for all of Z1..ZL, and "D" for D1.., because
    layers with a residual connection add to the same channels; every other map is alone, because a
    convolution makes new channels even where their number stays.
    """
    return [t[0] if t[0] in "ZD" and t[1:].isdigit() else t for t in titles]


def _groups(maps: Sequence[Tensor], spaces: Sequence[str]) -> list[list[int]]:
    """Numbers of the maps that share a basis."""
    if spaces and len(spaces) != len(maps):
        raise ValueError(f"{len(spaces)} spaces named for {len(maps)} maps: one each, or none")
    groups: dict[tuple, list[int]] = {}
    for i, map_ in enumerate(maps):
        groups.setdefault((spaces[i] if spaces else "", map_.shape[-1]), []).append(i)
    return list(groups.values())


def _prepared(map_: Tensor, plain: bool) -> Tensor:
    vectors = map_.detach().cpu().double()  # (h, w, D)
    if not torch.isfinite(vectors).all():
        raise ValueError("a feature map holds values that are not finite: nothing can be drawn")
    if plain:
        return vectors
    vectors = vectors / vectors.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return vectors - vectors.mean((0, 1))


def _sample(vectors: Tensor, most: int = 1_000_000) -> Tensor:
    """Every n-th of very many, because torch.quantile takes no more than 16 million numbers."""
    return vectors[:: -(-len(vectors) // most)]


def feature_maps(
    model: nn.Module, image: Tensor, *, normalisation: str | None = None
) -> dict[str, Tensor]:
    """All maps on the way through a model, by `capture`: name -> (h_i, w_i, D_i), in order.

    Z1..ZL after the encoder's layers; then U1..U5 of PUP, "level 1".. (the fused maps, shallow to
    deep) and "stream 1".. of MLA, "D1".. (patches) of the mask transformer. A baseline gives its
    stages. image, normalisation, errors: see `inside`; sides must fit `model.multiple_of`.
    """
    encoder = model if isinstance(model, Encoder) else getattr(model, "encoder", None)
    if encoder is None:
        raise ValueError(
            f"{type(model).__name__} has no part named 'encoder': give a SegmentationModel, a "
            "baseline or an Encoder, or watch its modules by name with capture"
        )
    pixels = checked(image, model.patch if encoder is model else model.multiple_of)
    if not isinstance(encoder, Encoder):
        seen, _ = watched(model, pixels, "encoder", normalisation=normalisation)
        found = seen["encoder"]
        stages = list(found.values() if isinstance(found, dict) else found)
        stages = [s for s in stages if s.shape[1] > 3]  # smp's first is the image itself
        return {f"stage {i + 1}": _as_map(s) for i, s in enumerate(stages)}
    before = "" if encoder is model else "encoder."
    blocks = {f"Z{i + 1}": f"{before}blocks.{i}" for i in range(encoder.depth)}
    others: dict[str, str] = {}
    decoder = getattr(model, "decoder", None)
    fused = isinstance(getattr(model, "neck", None), MLAFusion)
    if isinstance(decoder, PUPDecoder):
        others = {f"U{i + 1}": f"decoder.stages.{i}" for i in range(len(decoder.stages))}
    elif isinstance(decoder, MaskTransformer):
        others = {f"D{i + 1}": f"decoder.blocks.{i}" for i in range(len(decoder.blocks))}
    elif fused:
        others = {f"stream {i + 1}": f"decoder.streams.{i}" for i in range(len(decoder.streams))}
    names = [*blocks.values(), *others.values(), *(["neck"] if fused else [])]
    seen, scores = watched(model, pixels, *names, normalisation=normalisation)
    h, w = (s // encoder.patch for s in pixels.shape[-2:])
    first = encoder.extra
    maps = {t: _as_grid(seen[name][0, first:], (h, w)) for t, name in blocks.items()}
    if fused:
        maps |= {f"level {i + 1}": _as_map(m) for i, m in enumerate(seen["neck"])}
    for title, name in others.items():
        tokens = isinstance(decoder, MaskTransformer)
        maps[title] = _as_grid(seen[name][0, : h * w], (h, w)) if tokens else _as_map(seen[name])
    if isinstance(decoder, PUPDecoder):
        maps[f"U{len(others) + 1}"] = _as_map(scores)
    return maps


def _as_grid(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    return tokens.float().cpu().reshape(*grid, -1)  # (h, w, D)


def _as_map(features: Tensor) -> Tensor:
    return features[0].float().cpu().permute(1, 2, 0)  # (h, w, D)


def features_figure(
    image: Tensor, colours: dict[str, Tensor], *, columns: int = 7, width: float = 8.0
) -> Figure:
    """The photograph, then maps in their colours.

    image: (3, H, W). colours: title -> (h_i, w_i, 3) in 0..1, as `shared_pca` makes them, or
    (h_i, w_i) for one channel, drawn from dark to light between its own extremes.
    """
    picture = as_picture(image)
    H, W = picture.shape[:2]
    panels = [("photo", picture), *((t, np.asarray(c)) for t, c in colours.items())]
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    cell = width / columns
    height = rows * (cell * H / W + 0.26)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (title, pixels) in zip(axes.flat, panels, strict=False):
        axis.imshow(pixels, cmap="viridis", extent=(0, W, H, 0))
        axis.set_title(title, fontsize=10, pad=3, parse_math=False)
    return figure


def features_alt(
    maps: dict[str, Tensor], *, spaces: Sequence[str] = (), plain: bool = False
) -> str:
    """The coloured maps in words: how much three colours can show, and how alike neighbours are in
    the first and the last map (1: the same direction, 0: none in common).

    maps, spaces, plain: what was given to `shared_pca`, with titles: title -> (h_i, w_i, D_i).
    """
    titles, all_maps = list(maps), list(maps.values())
    groups = _groups(all_maps, spaces)
    share = [
        100 * float(pca_basis([all_maps[i] for i in g], plain=plain).share.sum()) for g in groups
    ]
    bases = "one basis for all" if len(groups) == 1 else f"{len(groups)} bases"
    if len(groups) > 1:
        spans = [titles[g[0]] + (f" to {titles[g[-1]]}" if len(g) > 1 else "") for g in groups]
        bases += f" ({', '.join(spans)})"
    shares = ", ".join(f"{s:.0f} %" for s in share)
    first, last = (neighbours(maps[t]) for t in (titles[0], titles[-1]))
    return (
        f"{len(titles)} feature maps, {titles[0]} to {titles[-1]}, main directions as colours, "
        f"{bases}; share of the variance shown: {shares}. Cosine similarity of neighbouring places "
        f"around the map's mean: {titles[0]} {first:.2f}, {titles[-1]} {last:.2f}."
    )


def neighbours(map_: Tensor) -> float:
    """Mean cosine similarity of places side by side, after lengths and mean are taken away."""
    vectors = nn.functional.normalize(_prepared(map_, plain=False), dim=-1)  # (h, w, D)
    right = (vectors[:, 1:] * vectors[:, :-1]).sum(-1).flatten()
    down = (vectors[1:] * vectors[:-1]).sum(-1).flatten()
    return torch.cat([right, down]).mean().item()


def busiest_channels(map_: Tensor, count: int = 6) -> dict[str, Tensor]:
    """The channels that vary most over a map (h, w, D): title -> (h, w), for `features_figure`."""
    spread = map_.flatten(0, 1).double().std(0)  # (D,)
    order = spread.argsort(descending=True, stable=True)[:count].tolist()
    return {f"channel {c}": map_[..., c] for c in order}


def channels_alt(title: str, channels: dict[str, Tensor], total: int) -> str:
    """Single channels of one map in words; rows and columns count from 1. total: how many channels
    the map has.
    """
    parts = []
    for name, values in channels.items():
        row, column = divmod(int(values.argmax()), values.shape[-1])
        parts.append(f"{name} largest at row {row + 1}, column {column + 1}")
    return f"The {len(channels)} of {total} channels of {title} that vary most: {', '.join(parts)}."
