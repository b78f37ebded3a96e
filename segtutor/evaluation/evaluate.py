"""Run a model over a data set and count.

Taught in   : chapters 00 and 12. Several scales and flips come in chapter 14.
"""

from __future__ import annotations

import torch

from segtutor.data.dataset import SegmentationData, count_classes
from segtutor.data.transforms import normalise
from segtutor.evaluation.metrics import MeanIoU
from segtutor.evaluation.piecewise import predict_windows
from segtutor.models import SegmentationModel
from segtutor.upsampling import Size


@torch.inference_mode()
def evaluate(
    model: SegmentationModel,
    data: SegmentationData,
    *,
    normalisation: str | None = None,
    window: Size | None = None,
    stride: Size | None = None,
    limit: int | None = None,
    progress: bool = False,
) -> MeanIoU:
    """Single-scale evaluation at the labels' resolution, one image at a time.

    normalisation: None takes the model's own. window, stride: (rows, columns) in pixels for sliding
    windows; window None: each image as a whole; stride None: two thirds of the window, as SETR.
    limit: only the first so many images. The model's training mode is restored afterwards. Returns
    the filled confusion matrix (`.result()`, `.iou`).
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
        if window is None:
            predicted = model.predict(images)  # (1, H, W)
        else:
            step = stride or tuple(2 * side // 3 for side in window)
            predicted = predict_windows(model, images, window, step)  # (1, H, W)
        score.update(predicted[0].cpu(), sample.label)
    model.train(was_training)
    return score


def majority_answer(train: SegmentationData, test: SegmentationData) -> MeanIoU:
    """The score of always answering the commonest class of `train`: what a model must beat."""
    commonest = int(count_classes(train).argmax())
    score = MeanIoU(len(test.classes), test.ignore)
    for i in range(len(test)):
        score.update(torch.full_like(test[i].label, commonest), test[i].label)
    return score
