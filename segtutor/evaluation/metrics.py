"""Mean intersection over union, from one confusion matrix over the whole data set.

Implements  : the metric of every table in both papers
Taught in   : chapter 12, Measuring: mIoU without traps
Official    : both repositories sum intersections and unions over all images, ignore label 255,
              leave classes that occur in neither prediction nor truth out of the mean. A label
              outside 0..K-1 is counted silently by one of them and dropped silently by the other;
              here it is an error.
"""

from __future__ import annotations

import torch
from torch import Tensor


class MeanIoU:
    """Add images one by one, read the numbers at the end. The mean of per-image scores is another
    number (chapter 12).

    classes: K. ignore: label of pixels that do not count.
    """

    def __init__(self, classes: int, ignore: int = 255):
        self.classes, self.ignore = classes, ignore
        self.matrix = torch.zeros(classes, classes, dtype=torch.int64)  # (K truth, K predicted)

    def update(self, prediction: Tensor, label: Tensor) -> None:
        """prediction, label: class ids of the same shape, any number of axes.

        Raises ValueError for a shape mismatch, a predicted class outside 0..K-1, a label neither a
        class nor `ignore`.
        """
        if prediction.shape != label.shape:
            raise ValueError(
                f"prediction has shape {tuple(prediction.shape)}, label {tuple(label.shape)}: "
                "bring the prediction to the label's resolution, not the other way round"
            )
        counts = label != self.ignore
        truth, guess = label[counts].long().cpu(), prediction[counts].long().cpu()  # (pixels,)
        for what, ids in (("label", truth), ("prediction", guess)):
            wrong = ids[(ids < 0) | (ids >= self.classes)]
            if len(wrong):
                raise ValueError(
                    f"{what} holds class {int(wrong[0])}, but there are {self.classes} classes "
                    f"(0..{self.classes - 1}; {self.ignore} means ignore)"
                )
        cells = torch.bincount(truth * self.classes + guess, minlength=self.classes**2)  # (K*K,)
        self.matrix += cells.reshape(self.classes, self.classes)

    def merge(self, other: MeanIoU) -> None:
        """Add the counts of another one (other images, other process)."""
        self.matrix += other.matrix

    @property
    def iou(self) -> Tensor:
        """Per class |P and T| / |P or T|, (K,) float64; nan for a class that occurs in neither."""
        hit = self.matrix.diagonal().double()  # (K,)
        union = self.matrix.sum(0) + self.matrix.sum(1) - hit  # (K,)
        return hit / union

    @property
    def recall(self) -> Tensor:
        """Per class share of its true pixels that were found, (K,); nan for a class that never
        occurs.
        """
        return self.matrix.diagonal().double() / self.matrix.sum(1)

    def result(self) -> dict[str, float]:
        """{"miou", "pixel_accuracy", "mean_accuracy"} as fractions of 1. nan when nothing was
        counted.
        """
        total = self.matrix.sum().double()
        return {
            "miou": float(self.iou.nanmean()),
            "pixel_accuracy": float(self.matrix.diagonal().sum() / total),
            "mean_accuracy": float(self.recall.nanmean()),
        }

    def table(self, names: tuple[str, ...]) -> str:
        """IoU of each class as text, best first."""
        order = sorted(
            range(self.classes), key=lambda k: -float(torch.nan_to_num(self.iou[k], nan=-1.0))
        )
        return "\n".join(f"{names[k]:>14s}  {float(self.iou[k]):.3f}" for k in order)
