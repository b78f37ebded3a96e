"""Test a model by a protocol, and keep what each image contributed.

Taught in   : chapters 12 and 14
Official    : one confusion matrix over the whole set, as both repositories. Each image's share of
              it is kept besides, for intervals and for the best and worst images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segtutor.data.dataset import SegmentationData
from segtutor.evaluation.inference import predictions
from segtutor.evaluation.intervals import Interval, bootstrap_miou
from segtutor.evaluation.metrics import MeanIoU
from segtutor.evaluation.protocols import Protocol
from segtutor.evaluation.sizes import class_sizes, iou_by_size, size_groups


class Scores:
    """The confusion matrix of all images (`whole`), and of each image three rows of counts.

    names: of the images. hit, predicted, true: (n, K) pixels, int64.
    """

    def __init__(self, classes: int, ignore: int = 255):
        self.whole, self.names = MeanIoU(classes, ignore), []
        self._rows: list[Tensor] = []

    def update(self, prediction: Tensor, label: Tensor, name: str) -> None:
        """Add one image. prediction, label: (H, W) class ids; raises what `MeanIoU.update` does."""
        one = MeanIoU(self.whole.classes, self.whole.ignore)
        one.update(prediction, label)
        self.whole.merge(one)
        self.names.append(name)
        rows = [one.matrix.diagonal(), one.matrix.sum(0), one.matrix.sum(1)]
        self._rows.append(torch.stack(rows))  # (3, K)

    def _row(self, i: int) -> Tensor:
        empty = torch.zeros(0, self.whole.classes, dtype=torch.int64)
        return torch.stack([rows[i] for rows in self._rows]) if self._rows else empty  # (n, K)

    @property
    def hit(self) -> Tensor:
        return self._row(0)

    @property
    def predicted(self) -> Tensor:
        return self._row(1)

    @property
    def true(self) -> Tensor:
        return self._row(2)

    def per_image(self) -> Tensor:
        """mIoU of each image over the classes seen in it, (n,) float64. Its mean is not the mIoU
        of the set (chapter 12); it serves to find images worth looking at.
        """
        union = self.true + self.predicted - self.hit  # (n, K)
        return (self.hit.double() / union).nanmean(1)

    def extremes(self, count: int = 5) -> dict[str, list[tuple[str, float]]]:
        """{"best": ..., "worst": ...}, each (name, mIoU of that image), the most extreme first."""
        scored = [
            (name, float(v))
            for name, v in zip(self.names, self.per_image(), strict=True)
            if not torch.isnan(v)
        ]
        scored.sort(key=lambda pair: pair[1])
        return {"best": scored[::-1][:count], "worst": scored[:count]}

    def by_size(self) -> tuple[dict[str, float], dict[str, list[int]]]:
        """Mean IoU of small, medium and large classes, and which classes those are (sizes.py)."""
        groups = size_groups(class_sizes(self.true))
        return iou_by_size(self.whole.iou, groups), groups

    def interval(self, **options) -> Interval:
        """Bootstrap interval of the mIoU; options as in `intervals.bootstrap_miou`."""
        return bootstrap_miou(self.hit, self.true + self.predicted - self.hit, **options)


def check_classes(model: nn.Module, data: SegmentationData) -> None:
    """Raise ValueError when model and data have different numbers of classes."""
    if model.config.classes != len(data.classes):
        raise ValueError(
            f"the model scores {model.config.classes} classes, {data.name} has "
            f"{len(data.classes)}: it was trained on other data. Test it on data with its classes, "
            "or train it anew for these"
        )


def evaluate_protocol(
    model: nn.Module,
    data: SegmentationData,
    protocol: Protocol,
    *,
    normalisation: str | None = None,
    batch: int = 8,
    limit: int | None = None,
    progress: bool = False,
) -> Scores:
    """Run a model over a data set by an official protocol (or your own) and count.

    normalisation: None takes the model's own. batch: windows that go through the model together,
    also from different images. limit: only the first so many images. The model's training mode is
    restored afterwards. Raises ValueError for another number of classes, and for images that the
    protocol cannot take.
    """
    from tqdm import tqdm

    check_classes(model, data)
    normalisation = normalisation or model.config.normalisation
    count = len(data) if limit is None else min(limit, len(data))
    scores, under_way = Scores(len(data.classes), data.ignore), []

    def photographs():
        for i in range(count):
            sample = data[i]
            under_way.append(sample)
            yield sample.name, sample.image

    was_training = model.training
    model.eval()
    try:
        found = predictions(model, photographs(), protocol, normalisation, batch=batch)
        for prediction in tqdm(found, total=count, desc="evaluate", disable=not progress):
            sample = under_way.pop(0)
            scores.update(prediction, sample.label, sample.name)
    finally:
        model.train(was_training)
    return scores
