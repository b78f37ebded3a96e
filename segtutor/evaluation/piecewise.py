"""The answer of overlapping windows, without logits of the whole image.

Implements  : Segmenter section 4.2 "Inference" (scores averaged where windows overlap)
Taught in   : chapter 14, Inference: windows, scales, flips; the page Speed
Official    : both repositories add up (K, H, W) logits, 315 MB in float32 for one ADE20K image of
              512 x 1024 pixels and its sums. Here coarse scores are kept, a hundredth of that, and
              interpolated tile by tile when all windows are there. The answers are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segtutor.evaluation.windows import grow_to_window, sliding_window, starts
from segtutor.models import SegmentationModel
from segtutor.upsampling import Size, predict_from_windows


@torch.inference_mode()
def predict_windows(
    model: SegmentationModel, image: Tensor, window: Size, stride: Size, *, batch: int = 8
) -> Tensor:
    """Class of every pixel, (1, H, W) int64: `sliding_window(...).argmax(1)` in less memory.

    image: (1, 3, H, W), normalised. An image smaller than the window goes the long way: its logits
    have to be made smaller again before they are compared.
    """
    if grow_to_window(image, window).shape != image.shape:
        return sliding_window(model, image, window, stride, batch=batch).argmax(1)
    (H, W), (h, w) = image.shape[-2:], window
    places = [(y, x) for y in starts(H, h, stride[0]) for x in starts(W, w, stride[1])]
    windows = torch.stack([image[0, :, y : y + h, x : x + w] for y, x in places])  # (n, 3, h, w)
    parts = [model.coarse(some, aux=False) for some in windows.split(batch)]
    scores = torch.cat([part.scores for part in parts])  # (n, K, h', w')
    whole = parts[0]._replace(scores=scores)
    return predict_from_windows(whole, places, window, (H, W))[None]  # (1, H, W)
