"""A prediction as files: class ids, colours, and the photograph beside its overlay with a legend.

Taught in   : chapter 14; chapter 11 ("bring your own 20 images")

ids/NAME.png is for programs (grey levels are class numbers, so it looks black), colours/NAME.png
for other tools, overlays/NAME.png for eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from torch import Tensor

from segtutor.insight.plots import colour_map, segmentation

KINDS = ("ids", "colours", "overlays")


def write_prediction(
    out: str | Path,
    name: str,
    image: Tensor,
    prediction: Tensor,
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
) -> list[Path]:
    """Write the three files of one photograph under `out`; returns their paths.

    image: (3, H, W) uint8. prediction: (H, W) class ids, K of at most 255. classes, palette: K each
    (255 stands for "ignore" in every label file).
    """
    if len(classes) > 255:
        raise ValueError(f"{len(classes)} classes do not fit into 8-bit label files (at most 255)")
    if len(palette) != len(classes):
        raise ValueError(f"{len(classes)} class names, but {len(palette)} colours")
    paths = [Path(out) / kind / f"{name}.png" for kind in KINDS]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    ids = np.asarray(prediction.cpu(), dtype=np.uint8)  # (H, W)
    Image.fromarray(ids).save(paths[0])
    Image.fromarray(colour_map(ids, palette)).save(paths[1])
    figure = segmentation(image, {"prediction": prediction}, classes, palette, height=4.0)
    figure.savefig(paths[2], dpi=120, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    return paths
