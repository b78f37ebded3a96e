"""Where does a patch look? Attention weights as maps over the photograph.

Implements  : the kind of picture in SETR figure 6 and Segmenter figure 1
Taught in   : chapter 02; chapter 15 asks what such maps can and cannot tell
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from segtutor.insight.plots import as_picture
from segtutor.tokens.patch import Grid


def attention_of_patch(
    weights: Tensor, grid: Grid, patch: tuple[int, int], extra: int = 1
) -> Tensor:
    """The row of the attention matrix that belongs to one patch, laid out on the grid.

    weights: (A, T, T) of one image, as `capture` sees them; T = extra + h*w. patch: (row, column).
    Returns (A, h, w). Its values sum to one minus what the patch gives to the extra tokens.
    """
    (h, w), (row, column) = grid, patch
    if not (0 <= row < h and 0 <= column < w):
        raise ValueError(
            f"patch {patch} is outside the {h}x{w} grid (rows 0..{h - 1}, columns 0..{w - 1})"
        )
    if weights.shape[-1] != extra + h * w:
        raise ValueError(
            f"attention over {weights.shape[-1]} tokens does not fit {extra} extra tokens "
            f"and a {h}x{w} grid"
        )
    return weights[:, extra + row * w + column, extra:].reshape(-1, h, w)  # (A, h, w)


def attention_figure(
    image: Tensor,
    maps: dict[str, Tensor],
    patch: tuple[int, int] | None = None,
    *,
    columns: int = 4,
    side: float = 2.3,
) -> Figure:
    """Attention maps over a photo.

    image: (3, H, W). maps: title -> (h, w) weights; each is scaled to its own maximum. patch:
    (row, column) of the query, outlined. The first panel is the photo itself.
    """
    picture = as_picture(image)
    H, W = picture.shape[:2]
    grey = picture.astype(float).mean(-1) / (255 if picture.dtype == np.uint8 else 1)
    panels = [("photo", None), *maps.items()]
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    size = (side * columns * W / H, side * rows * 1.12)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (title, map_) in zip(axes.flat, panels, strict=False):
        axis.set_title(title)
        if map_ is None:
            axis.imshow(picture)
        else:
            map_ = map_.detach().cpu().float().numpy()
            axis.imshow(grey, cmap="gray", vmin=0, vmax=1.4, extent=(0, W, H, 0))
            axis.imshow(
                map_ / map_.max(), cmap="inferno", alpha=0.65, extent=(0, W, H, 0), vmin=0, vmax=1
            )
        if patch is not None:
            h, w = next(iter(maps.values())).shape
            ph, pw = H / h, W / w
            corner = (patch[1] * pw, patch[0] * ph)
            axis.add_patch(Rectangle(corner, pw, ph, fill=False, edgecolor="black", linewidth=3.2))
            axis.add_patch(Rectangle(corner, pw, ph, fill=False, edgecolor="white", linewidth=1.6))
    figure.tight_layout()
    return figure
