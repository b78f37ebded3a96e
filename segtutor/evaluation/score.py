"""Test a model by a protocol, and keep what each image contributed.

Taught in   : chapters 12 and 14
Official    : one confusion matrix over the whole set, as both repositories. Each image's share of
              it is kept besides, for intervals and for the best and worst images. Where Segmenter
              drops predictions that a distributed sampler counted twice by their file names, here
              no image is given out twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from segtutor.data.dataset import Sample, SegmentationData
from segtutor.evaluation.ahead import ahead
from segtutor.evaluation.inference import answers
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

    @classmethod
    def interleaved(cls, parts: Sequence[Scores]) -> Scores:
        """Images r, r + n, ... were counted in part r of n: the scores of all, in their order."""
        together = cls(parts[0].whole.classes, parts[0].whole.ignore)
        for part in parts:
            together.whole.merge(part.whole)
        for i in range(sum(len(part.names) for part in parts)):
            part, place = parts[i % len(parts)], i // len(parts)
            together.names.append(part.names[place])
            together._rows.append(part._rows[place])
        return together

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
        hit, union = self.parts  # (n, K) both
        return (hit.double() / union).nanmean(1)

    def extremes(self, count: int = 5) -> dict[str, list[tuple[int, float]]]:
        """{"best": ..., "worst": ...}, each (number of the image, its mIoU), the most extreme
        first.
        """
        values = self.per_image()
        scored = [(i, float(v)) for i, v in enumerate(values) if not torch.isnan(v)]
        scored.sort(key=lambda pair: pair[1])
        return {"best": scored[::-1][:count], "worst": scored[:count]}

    def by_size(self) -> tuple[dict[str, float], dict[str, list[int]]]:
        """Mean IoU of small, medium and large classes, and which classes those are (sizes.py)."""
        groups = size_groups(class_sizes(self.true))
        return iou_by_size(self.whole.iou, groups), groups

    @property
    def parts(self) -> tuple[Tensor, Tensor]:
        """(hit, union) of each image, (n, K) both: what the functions of intervals.py take."""
        return self.hit, self.true + self.predicted - self.hit

    def interval(self, resamples: int = 1000) -> Interval:
        """95 % bootstrap interval of the mIoU over images."""
        return bootstrap_miou(*self.parts, resamples=resamples)


def check_classes(model: nn.Module, data: SegmentationData, name: str = "the model") -> None:
    """Raise ValueError when model and data have different numbers of classes. name: of the model,
    e.g. its file.
    """
    K, names = model.config.classes, data.classes
    if K != len(names):
        listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        raise ValueError(
            f"{name} scores {K} classes, {data.name} has {len(names)} ({listed}): it was trained "
            "on other data. Test it on data with its classes, or train it anew for these"
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
    each: Callable[[Sample, Tensor], None] | None = None,
) -> Scores:
    """Run a model over a data set by an official protocol (or your own) and count.

    normalisation: None takes the model's own. batch: windows that go through the model together,
    also from different images. limit: only the first so many images. each: called with every sample
    and its prediction, (H, W) class ids, e.g. to write files. The model's training mode is restored
    afterwards. Raises ValueError for another number of classes, and for images that the protocol
    cannot take.

    With several processes (torch.distributed is initialised) every one of them must call this:
    process r takes images r, r + n, ..., each image is counted once, and all get the scores of the
    whole. `model` is the bare one, not a wrapper for training. An error in one process is raised in
    all.
    """
    from tqdm import tqdm

    check_classes(model, data)
    rank, processes = (dist.get_rank(), dist.get_world_size()) if _distributed() else (0, 1)
    count = len(data) if limit is None else min(limit, len(data))
    mine = range(rank, count, processes)
    scores = Scores(len(data.classes), data.ignore)
    found = answers(
        model,
        ahead(data.__getitem__, mine),
        protocol,
        normalisation=normalisation,
        batch=batch,
    )
    try:
        hidden = not progress or rank > 0
        for sample, prediction in tqdm(found, total=len(mine), desc="evaluate", disable=hidden):
            scores.update(prediction, sample.label, sample.name)
            if each is not None:
                each(sample, prediction)
    except Exception as error:
        if processes > 1:  # the others wait for this process
            _gather(error)
        raise
    return scores if processes == 1 else Scores.interleaved(_gather(scores))


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


def _gather(mine: Scores | Exception) -> list[Scores]:
    """What every process has, in all of them; raises the first error among it."""
    everyone = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    for part in everyone:
        if isinstance(part, Exception):
            raise part
    return everyone
