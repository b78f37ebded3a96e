"""Run a model over a data set and count.

Taught in   : chapter 12. Sliding windows, several scales and flips come in chapter 14.
"""

from __future__ import annotations

import torch

from segtutor.data.dataset import SegmentationData, count_classes
from segtutor.data.transforms import normalise
from segtutor.evaluation.metrics import MeanIoU
from segtutor.models import SegmentationModel


@torch.inference_mode()
def evaluate(
    model: SegmentationModel,
    data: SegmentationData,
    *,
    normalisation: str | None = None,
    limit: int | None = None,
    progress: bool = False,
) -> MeanIoU:
    """Whole-image, single-scale evaluation at the labels' resolution, one image at a time.

    normalisation: None takes the model's own. limit: only the first so many images. The model's
    training mode is restored afterwards. Returns the filled confusion matrix (`.result()`,
    `.iou`).
    """
    from tqdm import tqdm

    normalisation = normalisation or model.config.normalisation
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    score = MeanIoU(len(data.classes), data.ignore)
    count = len(data) if limit is None else min(limit, len(data))
    for i in tqdm(range(count), desc="evaluate", disable=not progress):
        sample = data[i]
        images = normalise(sample.image[None].to(device), normalisation)  # (1, 3, H, W)
        score.update(model.predict(images)[0].cpu(), sample.label)
    model.train(was_training)
    return score


def majority_answer(train: SegmentationData, test: SegmentationData) -> MeanIoU:
    """The score of always answering the commonest class of `train`: what a model must beat."""
    commonest = int(count_classes(train).argmax())
    score = MeanIoU(len(test.classes), test.ignore)
    for i in range(len(test)):
        score.update(torch.full_like(test[i].label, commonest), test[i].label)
    return score
