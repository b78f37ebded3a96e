"""Class embeddings of the mask transformer: who is near whom, how they moved, what they mask.

Implements  : Segmenter figure 8 (class embeddings in a plane, by singular value decomposition)
Taught in   : chapter 09 meets them; chapter 15 reads them
Differs     : - the paper does not say whether a mean was taken away. Here it is: what all classes
                have in common would otherwise be the first axis, and tells no class from another
                (`centred=False` leaves it).
              - movement during training and masks before and after the class norm are ours.

The plane keeps two of d directions and the figure says how much of the variance that is. With few
classes of many directions anything looks spread out: neighbours are counted in the full space.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from segtutor.decoders import MaskTransformer
from segtutor.insight.attention import draw_map
from segtutor.insight.inside import checked, watched
from segtutor.insight.plots import COLOURS, as_picture, write_names


def class_embeddings(model: nn.Module) -> Tensor:
    """The learned vectors that enter the mask transformer, (K, d), the same for every image.

    Raises ValueError for a model with another decoder.
    """
    decoder = getattr(model, "decoder", None)
    if not isinstance(decoder, MaskTransformer):
        raise ValueError(
            f"{type(decoder).__name__} has no class embeddings: only Segmenter's mask transformer "
            "makes classes into tokens"
        )
    return decoder.classes[0].detach().float().cpu()


def class_plane(embeddings: Tensor, *, centred: bool = True) -> tuple[Tensor, Tensor]:
    """Where each class lies in the plane of the two largest singular values.

    embeddings: (K, d), K at least 3. Returns (K, 2) places and (2,) shares of the variance that the
    axes hold (of the sum of squares, if not centred). An axis is turned so that its largest place
    is positive.
    """
    places, share, _, _ = _plane(embeddings, centred)
    return places, share


def _plane(embeddings: Tensor, centred: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Places (K, 2), shares (2,), axes (2, d), centre (d,)."""
    if embeddings.ndim != 2 or len(embeddings) < 3 or embeddings.shape[1] < 2:
        raise ValueError(
            f"embeddings have shape {tuple(embeddings.shape)}, expected (K, d) with K of at least "
            "3 and d of at least 2: fewer have no plane"
        )
    vectors = embeddings.detach().double()
    centre = vectors.mean(0) if centred else torch.zeros_like(vectors[0])
    _, values, axes = torch.linalg.svd(vectors - centre, full_matrices=False)
    places = (vectors - centre) @ axes[:2].T  # (K, 2)
    signs = places.gather(0, places.abs().argmax(0, keepdim=True)).sign()[0]  # (2,)
    signs[signs == 0] = 1
    share = values[:2] ** 2 / (values**2).sum().clamp(min=1e-30)
    return places * signs, share, axes[:2] * signs[:, None], centre


def nearest_classes(embeddings: Tensor, count: int = 3) -> list[list[tuple[int, float]]]:
    """For each class, the `count` others at the smallest angle: (class, cosine), nearest first.

    embeddings: (K, d); all d directions count, and no mean is taken away.
    """
    unit = F.normalize(embeddings.detach().double(), dim=-1)
    cosines = (unit @ unit.T).fill_diagonal_(-torch.inf)  # (K, K)
    best = cosines.topk(min(count, len(unit) - 1), dim=-1)
    return [
        list(zip(i, c, strict=True))
        for i, c in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def class_movement(checkpoints: Sequence[Tensor], *, centred: bool = True) -> Tensor:
    """Embeddings at several moments of training, all in the last one's plane: S times (K, d) ->
    (S, K, 2). One plane for all, else the picture would turn with it.
    """
    shapes = {tuple(e.shape) for e in checkpoints}
    if len(shapes) != 1:
        raise ValueError(f"checkpoints hold embeddings of different shapes: {sorted(shapes)}")
    _, _, axes, centre = _plane(checkpoints[-1], centred)
    return torch.stack([(e.detach().double() - centre) @ axes.T for e in checkpoints])


def plane_figure(
    places: Tensor,
    share: Tensor,
    classes: Sequence[str],
    *,
    paths: Tensor | None = None,
    named: Sequence[int] | None = None,
    size: tuple[float, float] = (6.4, 5.2),
) -> Figure:
    """Classes as named points; with `paths` (S, K, 2) of `class_movement`, their way there.

    places, share: of `class_plane`. named: which classes get their name, None for all. Names are
    moved away from each other.
    """
    if len(classes) != len(places):
        raise ValueError(f"{len(classes)} class names for {len(places)} embeddings")
    figure, axis = plt.subplots(figsize=size)
    axis.axhline(0, color="0.88", linewidth=1, zorder=0)
    axis.axvline(0, color="0.88", linewidth=1, zorder=0)
    if paths is not None:
        for k in range(len(places)):
            axis.plot(*paths[:, k].T.tolist(), color="0.65", linewidth=1.2, zorder=1)
        axis.scatter(*paths[0].T.tolist(), s=14, color="white", edgecolor="0.5", zorder=2,
                     label="at the start")  # fmt: skip
    x, y = places.T.tolist()
    axis.scatter(x, y, s=26, color=COLOURS[0], zorder=3, label="at the end")
    axis.set_xlabel(f"first axis ({100 * share[0]:.0f} % of the variance)")
    axis.set_ylabel(f"second axis ({100 * share[1]:.0f} %)")
    axis.margins(0.12)
    axis.set_aspect("equal", adjustable="datalim")  # distances compare in every direction
    figure.tight_layout()
    if paths is not None:
        axis.legend(fontsize=9)
    marks = []  # the ways there, kept free of names
    for start, end in () if paths is None else zip(paths, paths[1:], strict=False):  # each (K, 2)
        for part in (0.0, 0.2, 0.4, 0.6, 0.8):
            marks += (start + part * (end - start)).tolist()
    chosen = range(len(places)) if named is None else named
    write_names(axis, {k: classes[k] for k in chosen}, places, marks)
    return figure


def plane_alt(embeddings: Tensor, classes: Sequence[str], *, centred: bool = True) -> str:
    """The plane in words: what it keeps, the nearest pairs, and the classes at its ends."""
    places, share = class_plane(embeddings, centred=centred)
    pairs = sorted(
        {
            (min(k, j), max(k, j)): cosine
            for k, found in enumerate(nearest_classes(embeddings, 1))
            for j, cosine in found
        }.items(),
        key=lambda item: -item[1],
    )[:3]
    near = ", ".join(f"{classes[a]} and {classes[b]} ({c:.2f})" for (a, b), c in pairs)
    left, right = (classes[int(i)] for i in (places[:, 0].argmin(), places[:, 0].argmax()))
    low, high = (classes[int(i)] for i in (places[:, 1].argmin(), places[:, 1].argmax()))
    return (
        f"Embeddings of {len(classes)} classes in a plane that keeps {100 * float(share.sum()):.0f}"
        f" % of their variance. From left to right {left} to {right}, from bottom to top {low} to "
        f"{high}. Nearest by cosine in all {embeddings.shape[1]} directions: {near}."
    )


def class_masks(
    model: nn.Module, image: Tensor, *, normalisation: str | None = None
) -> tuple[Tensor, Tensor]:
    """Scores of each class before and after the LayerNorm over classes, each (K, h, w). Before,
    they are cosines; a model without class norm gives the same twice. Errors: see `inside`.
    """
    class_embeddings(model)  # is it a mask transformer?
    pixels = checked(image, model.multiple_of)
    seen, after = watched(model, pixels, "decoder.cosines", normalisation=normalisation)
    before = seen["decoder.cosines"][0].float().T.reshape(after[0].shape)  # (K, h, w)
    return before.cpu(), after[0].cpu()


def masks_figure(
    image: Tensor,
    before: Tensor,
    after: Tensor,
    classes: Sequence[str],
    which: Sequence[int],
    *,
    width: float = 8.0,
) -> tuple[Figure, str]:
    """Masks of some classes, cosines above and normalised scores below, each row on one scale
    printed beside it; left, the photograph and the patches where the norm changes which of all K
    classes wins. Returns the figure and its alternative text.

    before, after: (K, h, w), of `class_masks`. which: class numbers, one column each.
    """
    K = len(before)
    if any(not 0 <= k < K for k in which) or not which:
        raise ValueError(f"classes {list(which)}: the model has {K}, 0..{K - 1}; name at least one")
    picture = as_picture(image)
    H, W = picture.shape[:2]
    cell = width / (len(which) + 1.45)
    figure, axes = plt.subplots(
        2,
        len(which) + 1,
        figsize=(width, 2 * (cell * H / W + 0.3)),
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03, wspace=0.01, hspace=0.01)
    changed = (before.argmax(0) != after.argmax(0)).float()  # (h, w)
    rows = (("cosine", before), ("after the norm", after))
    draw_map(axes[0, 0], picture, None)
    draw_map(axes[1, 0], picture, changed)
    axes[0, 0].set_title("photo", fontsize=10)
    axes[1, 0].set_title("winner changed", fontsize=10)
    for line, (title, scores) in zip(axes, rows, strict=True):
        shown = scores[list(which)]
        low, high = shown.min().item(), shown.max().item()
        for axis, k in zip(line[1:], which, strict=True):
            drawn = axis.imshow(scores[k], cmap="viridis", vmin=low, vmax=high, extent=(0, W, H, 0))
            axis.set_title(classes[k], fontsize=10, parse_math=False)
        for axis in line:
            axis.set_axis_off()
        figure.colorbar(drawn, ax=list(line), label=title, shrink=0.85, aspect=12, pad=0.01)
    return figure, masks_alt(before, after, classes, which)


def masks_alt(before: Tensor, after: Tensor, classes: Sequence[str], which: Sequence[int]) -> str:
    """Both rows of masks in words, with the range of scores and the share of changed winners."""
    changed = 100 * (before.argmax(0) != after.argmax(0)).double().mean().item()
    ranges = [f"{s[list(which)].min():.2f} to {s[list(which)].max():.2f}" for s in (before, after)]
    parts = [
        f"{classes[k]} wins {100 * (after.argmax(0) == k).double().mean().item():.0f} % of the "
        "patches"
        for k in which
    ]
    return (
        f"Masks of {len(which)} classes. Cosines run from {ranges[0]}, scores after the class norm "
        f"from {ranges[1]}; on {changed:.0f} % of the patches the norm changes the winner. "
        f"{', '.join(parts)}."
    )
