"""Where do mistakes lie: along the borders between classes, or inside?

Taught in   : chapter 06 (what progressive upsampling repairs), chapter 10 (what small patches do)
Source      : the trimap of Segmenter's and many others' ablations; SETR and Segmenter show borders
              only in pictures.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from segtutor.evaluation.metrics import MeanIoU


def near_border(label: Tensor, reach: int) -> Tensor:
    """Which pixels have another label within the square of `reach` pixels around? (H, W) booleans.

    label: (H, W) class ids; the edge of an ignored area counts as a border too.
    """
    x, side = label[None, None].float(), 2 * reach + 1
    largest = F.max_pool2d(x, side, stride=1, padding=reach)  # (1, 1, H, W)
    smallest = -F.max_pool2d(-x, side, stride=1, padding=reach)  # (1, 1, H, W)
    return (largest != smallest)[0, 0]  # (H, W)


class ByBorder:
    """Two scores at once: of the pixels within `reach` of a border, and of all others.

    classes, ignore: as in `MeanIoU`. update: (H, W) prediction and label. Read `near`, `inside`
    and `whole`, each a `MeanIoU`.
    """

    def __init__(self, classes: int, ignore: int = 255, reach: int = 4):
        self.reach, self.ignore = reach, ignore
        self.near, self.inside, self.whole = (MeanIoU(classes, ignore) for _ in range(3))

    def update(self, prediction: Tensor, label: Tensor) -> None:
        band = near_border(label, self.reach)  # (H, W)
        for score, keep in ((self.near, band), (self.inside, ~band)):
            part = MeanIoU(score.classes, self.ignore)
            part.update(prediction[keep], label[keep])
            score.merge(part)
            self.whole.merge(part)

    def result(self) -> dict[str, float]:
        """mIoU of all pixels, and pixel accuracy of all, of those near a border, of the others."""
        whole, near, inside = (s.result() for s in (self.whole, self.near, self.inside))
        return {
            "miou": whole["miou"],
            "accuracy": whole["pixel_accuracy"],
            "border_accuracy": near["pixel_accuracy"],
            "inside_accuracy": inside["pixel_accuracy"],
        }
