"""The explorer: a photograph whose patches answer "where do you look?", in a page without kernel.

Implements  : SETR figure 6, Segmenter figure 1, and rollout, for every patch instead of a few
Taught in   : chapter 15, Reading the model; chapter 02 shows a first one

`explorer(inside(model, photo))` as the last line of a cell shows it; `.write("page.html")` makes a
file that needs nothing else. What is drawn and said is in explorer.js and the files it needs, how
it looks in explorer.css; here is what they are given. Weights are rounded (packing.py), and the
page says so. Rollout is computed in the page from the rounded means of all layers; where not every
layer and every patch is stored, it is computed here, from the full numbers, and stored as one more
map.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

from segtutor.data.folder import made_up_palette
from segtutor.data.sheet import inline
from segtutor.insight.inside import Inside
from segtutor.insight.packing import directions, png, quantise, text_of
from segtutor.insight.plots import as_picture
from segtutor.insight.rollout import rollout_steps

LIMIT = 2_000_000  # bytes of a stand-alone page
STRIDES = (1, 2, 3, 4)  # every patch can be asked, every second, ...
SCRIPTS = ("explorer-numbers.js", "explorer-parts.js", "explorer.js")
EXTRA = ("class token", "distillation token")


@dataclass(frozen=True)
class Explorer:
    """A piece of HTML that a notebook shows by itself, and the page around it. stride: 1 if
    every patch can be asked, 2 for every second row and column, ...
    """

    fragment: str = field(repr=False)  # else notebooks would keep it twice
    title: str
    stride: int

    def _repr_html_(self) -> str:
        return self.fragment

    def page(self) -> str:
        """A whole page that needs no other file and no network."""
        title = html.escape(self.title)
        return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>{_part("explorer-page.css")}</style></head>
<body><main><h1>{title}</h1>
{self.fragment}
</main></body></html>
"""

    def write(self, path: str | Path) -> Path:
        """Write the page; returns the path."""
        path = Path(path)
        path.write_text(self.page(), "utf-8")
        return path


def explorer(
    seen: Inside | Sequence[Inside],
    *,
    names: Sequence[str] = (),
    title: str = "What the model looks at",
    photo: Tensor | None = None,
    palette: Sequence[tuple[int, int, int]] | None = None,
    patch: tuple[int, int] | None = None,
    layer: int | None = None,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    stride: int | None = None,
    compare: bool | None = None,
    limit: int = LIMIT,
) -> Explorer:
    """An explorer of one photograph in one model, or in several.

    seen: what `inside` returns; several must show the same photograph. names: of the models.
    photo: (3, H', W'), the same photograph, sharper, to be shown instead of what the model saw.
    palette: K colours of the classes. patch: (row, column) asked first, of the first model's grid.
    layer: the one shown first (default: in the middle). layers, heads: those to store (default:
    all; the mean is always over all heads). All are counted from 0 here, and from 1 in what the
    page shows and says, as in the alternative texts of this room. stride: 1 if every patch can be
    asked, 2 for every second row and column, ...; None takes the smallest that keeps the page
    within `limit` bytes. compare: begin with two maps side by side (default: if there is more than
    one model).

    Raises ValueError for a number out of range, and, with the sizes, where no stride is enough.
    """
    seen = [seen] if isinstance(seen, Inside) else list(seen)
    names = tuple(names) or tuple(f"model {i + 1}" for i in range(len(seen)))
    _check(seen, names, photo, patch, layer, layers, heads, stride)
    sizes = {}
    for step in STRIDES if stride is None else (stride,):
        models = [
            _model(one, name, layers, heads, step, palette)
            for one, name in zip(seen, names, strict=True)
        ]
        data = {
            "title": title,
            "models": models,
            "patch": patch or [side // 2 for side in seen[0].grid],
            "layer": layer,
            "compare": len(seen) > 1 if compare is None else compare,
            "ramps": {"heat": _ramp("inferno"), "alike": _ramp("viridis")},
        }
        found = Explorer(_fragment(data, seen[0], photo), title, step)
        sizes[step] = len(found.page().encode())
        if sizes[step] <= limit:
            return found
    tried = ", ".join(f"{size / 1e6:.2f} MB with stride {step}" for step, size in sizes.items())
    maps = ", ".join(
        f"{one.attention.shape[0]} layers of {one.attention.shape[1]} heads on a "
        f"{one.grid[0]}x{one.grid[1]} grid"
        for one in seen
    )
    raise ValueError(
        f"the explorer would be larger than {limit / 1e6:.2f} MB: {tried} ({maps}). Store fewer "
        "layers or heads (layers=[0, 5, 11], heads=[0]), or give the model a smaller photograph"
    )


def _check(seen, names, photo, patch, layer, layers, heads, stride) -> None:
    if not seen:
        raise ValueError("nothing to explore: expected one Inside or several, got an empty list")
    if len(names) != len(seen):
        raise ValueError(f"{len(names)} names for {len(seen)} models")
    first = seen[0].image.shape[-2:]
    shown = [(name, one.image) for name, one in zip(names, seen, strict=True)]
    for name, image in [*shown, ("photo", photo)][: None if photo is not None else -1]:
        size = image.shape[-2:]
        if abs(size[0] * first[1] / (size[1] * first[0]) - 1) > 0.02:
            raise ValueError(
                f"{name} has {size[0]}x{size[1]} pixels, the photograph of {names[0]} "
                f"{first[0]}x{first[1]}: they must show the same part of it"
            )
    for name, one in zip(names, seen, strict=True):
        depth, count = one.attention.shape[:2]
        for what, chosen, end in (("layer", layers, depth), ("head", heads, count)):
            for number in chosen if chosen is not None else ():
                if not 0 <= number < end:
                    raise ValueError(
                        f"{what} {number} is out of range: {name} has {what}s 0..{end - 1}"
                    )
        stored = range(depth) if layers is None else layers
        if not len(stored):
            raise ValueError("layers is empty: give at least one layer to store")
        if layer is not None and layer not in stored:
            raise ValueError(f"layer {layer} cannot be shown first: stored are {list(stored)}")
    h, w = seen[0].grid
    if patch is not None and not (0 <= patch[0] < h and 0 <= patch[1] < w):
        raise ValueError(
            f"patch {tuple(patch)} is outside the {h}x{w} grid (rows 0..{h - 1}, "
            f"columns 0..{w - 1})"
        )
    if stride is not None and not 1 <= stride <= min(h, w):
        raise ValueError(f"stride is {stride}, expected 1..{min(h, w)} on a {h}x{w} grid")


def _model(seen: Inside, name: str, layers, heads, stride: int, palette) -> dict:
    """All that the page must know of one model."""
    depth, count = seen.attention.shape[:2]
    layers = list(range(depth)) if layers is None else sorted({int(i) for i in layers})
    heads = list(range(count)) if heads is None else sorted({int(a) for a in heads})
    h, w = seen.grid
    patches = np.arange(h * w).reshape(h, w)[::stride, ::stride].ravel()
    asked = np.concatenate([np.arange(seen.extra), seen.extra + patches])  # (Q,) tokens
    in_page = stride == 1 and len(layers) == depth  # can the page make rollout by itself?
    rolled = None if in_page else rollout_steps(seen.attention.detach().float().cpu())  # (L, T, T)
    pictures, peaks, others, features, errors = [], [], [], [], []
    for i in layers:
        weights = seen.attention[i].detach().float().cpu()  # (A, T, T)
        stack = [weights.mean(0), *weights[heads]]
        if not in_page:
            stack.append(rolled[i])
        rows = torch.stack(stack)[:, asked].numpy()  # (maps, Q, T)
        steps, peak = quantise(rows[..., seen.extra :])  # (maps, Q, N), (maps, Q)
        pictures.append(png(steps.reshape(-1, h * w)))
        peaks.append(peak)
        others.append(rows[..., : seen.extra])  # (maps, Q, E): few, and often large
        small, error = directions(seen.tokens[i])
        features.append(text_of(small))
        errors.append(round(error, 3))
    return {
        "name": name,
        "grid": [h, w],
        "extra": list(EXTRA[: seen.extra]),
        "stride": stride,
        "depth": depth,
        "layers": layers,
        "heads": heads,
        "allHeads": count,
        "rolled": not in_page,
        "maps": pictures,
        "peaks": text_of(np.stack(peaks)),
        "others": text_of(np.stack(others)),
        "features": features,
        "errors": errors,
        "classes": _classes(seen, palette),
    }


def _classes(seen: Inside, palette) -> dict | None:
    """The class of every patch, and how sure the model is (softmax), if it scores classes."""
    if seen.scores is None:
        return None
    count = len(seen.scores)
    names = list(seen.classes) or [f"class {k}" for k in range(count)]
    palette = list(palette or made_up_palette(count))
    for what, given in (("class names", names), ("colours", palette)):
        if len(given) != count:
            raise ValueError(f"{len(given)} {what} for a model that scores {count} classes")
    sure, answer = seen.scores.detach().float().cpu().softmax(0).max(0)  # (h, w) each
    return {
        "names": [str(name) for name in names],
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in palette],
        "answer": answer.flatten().tolist(),
        "sure": [round(float(p), 3) for p in sure.flatten()],
    }


def _fragment(data: dict, seen: Inside, photo: Tensor | None) -> str:
    """Data, style and script in one element; what is in it before the script has run is for those
    who see it without.
    """
    picture = as_picture(seen.image if photo is None else photo)
    if picture.dtype != np.uint8:
        picture = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    return f"""<div class="segtutor-explorer">
<style>{_part("explorer.css")}</style>
<p>An interactive figure, {html.escape(data["title"])}: it wakes where scripts may run. In a
notebook, run its cell.</p>
<img src="{inline(picture, None)}" alt="The photograph that is explored">
<script type="application/json">{_json(data)}</script>
<script>(() => {{
"use strict";
{"".join(_part(name) for name in SCRIPTS)}}})();</script>
</div>"""


def _json(data: dict) -> str:
    """JSON that cannot end its script element, whatever the names in it are."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _part(name: str) -> str:
    """The text of a file beside this one."""
    return files("segtutor.insight").joinpath(name).read_text("utf-8")


def _ramp(name: str) -> list[str]:
    """33 colours of one of matplotlib's maps; the page mixes those between."""
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 33))
    return [matplotlib.colors.to_hex(colour) for colour in colours]
