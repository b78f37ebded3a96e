"""Pixel-wise cross-entropy, with both papers' ideas of a mean.

Implements  : Segmenter section 3 and SETR section 3.3 ("pixel-wise cross-entropy loss")
Taught in   : chapter 12 (ignore), chapter 13 (memory)
Official    : Segmenter divides by the number of *counted* pixels (PyTorch's mean). SETR's code
              divides by *all* pixels: an ignored pixel adds nothing to the sum but stays in the
              denominator. `mean` says which.

`loss_from_coarse` computes the same number from coarse scores without making the (B, K, H, W)
logits: it walks over strips of pixel rows, and forms the gradient in the same pass.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from segtutor.upsampling import Coarse, separable, strips

MEANS = ("valid", "all")


def denominator(
    labels: Tensor, ignore: int, mean: str, class_weights: Tensor | None = None
) -> Tensor:
    """What the sum is divided by: how many pixels, or how much weight they carry (never 0)."""
    if mean not in MEANS:
        raise ValueError(f"mean is {mean!r}, expected 'valid' (Segmenter) or 'all' (SETR)")
    if mean == "all":
        return torch.tensor(labels.numel(), device=labels.device)
    counted = labels[labels != ignore].long()
    if class_weights is None:
        return torch.tensor(max(counted.numel(), 1), device=labels.device)
    total = class_weights.to(labels.device)[counted].sum()
    return torch.where(total > 0, total, 1.0)


def balanced_weights(counts: Tensor, power: float = 0.5) -> tuple[float, ...]:
    """A weight per class from how often it occurs: (mean frequency / frequency) ** power.

    counts: (K,) pixels of each class in the training labels (`data.count_classes`). power: 0 treats
    pixels alike, 1 treats classes alike; in between, rare classes gain without drowning the rest.
    Scaled so that the average pixel has weight 1. A class that never occurs gets weight 0. Neither
    paper weights classes; mean IoU, which counts each class once, asks for it in short trainings.
    """
    share = counts.double() / counts.sum()  # (K,)
    weights = torch.where(share > 0, share.clamp(min=1e-12) ** -power, 0.0)
    return tuple((weights / (weights * share).sum()).tolist())


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    ignore: int = 255,
    mean: str = "valid",
    class_weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of full-resolution logits. logits: (B, K, H, W). labels: (B, H, W) ids.
    class_weights: (K,), see `balanced_weights`. Returns a scalar.
    """
    total = F.cross_entropy(
        logits.float(), labels.long(), class_weights, ignore_index=ignore, reduction="sum"
    )
    return total / denominator(labels, ignore, mean, class_weights)


def loss_from_coarse(
    coarse: Coarse,
    labels: Tensor,
    *,
    ignore: int = 255,
    mean: str = "valid",
    aux_weight: float = 0.4,
    class_weights: Tensor | None = None,
    strip: int = 32,
) -> Tensor:
    """Main loss + aux_weight * each auxiliary loss, from coarse scores. labels: (B, H, W) ids.
    class_weights: (K,), see `balanced_weights`.

    Equal to upsampling first and calling `cross_entropy`, in value and gradient. Raises ValueError
    for labels that do not have the images' size, or hold a class the head does not have.
    """
    K, (H, W) = coarse.scores.shape[1], labels.shape[-2:]
    if H > coarse.padded_size[0] or W > coarse.padded_size[1]:
        raise ValueError(
            f"labels are {H}x{W} pixels but the scores cover {coarse.padded_size[0]}x"
            f"{coarse.padded_size[1]}: labels and images must have the same size"
        )
    largest = int(torch.where(labels == ignore, 0, labels).max())
    if largest >= K:
        raise ValueError(
            f"labels hold class {largest}, but the decoder has {K} classes (0..{K - 1})"
        )
    if class_weights is not None and class_weights.shape != (K,):
        raise ValueError(f"{len(class_weights)} class weights, but the decoder has {K} classes")
    losses = [
        _StripCrossEntropy.apply(scores, coarse, labels.long(), ignore, class_weights, strip)
        for scores in (coarse.scores, *coarse.aux)
    ]
    total = losses[0] + aux_weight * sum(losses[1:])
    return total / denominator(labels, ignore, mean, class_weights)


class _StripCrossEntropy(torch.autograd.Function):
    """Sum of cross-entropy over all counted pixels of `rows @ scores @ cols.T`, one strip of rows
    at a time.
    """

    @staticmethod
    def forward(
        ctx,
        scores: Tensor,
        coarse: Coarse,
        labels: Tensor,
        ignore: int,
        class_weights: Tensor | None,
        strip: int,
    ) -> Tensor:
        rows, cols = separable(coarse, scores, labels.shape[-2:])  # (H, h'), (W, w')
        wide = scores.float() @ cols.T  # (B, K, h', W)
        wide_grad = torch.zeros_like(wide)
        total = torch.zeros((), dtype=torch.float64, device=scores.device)
        for s in strips(rows, labels.shape[1], strip):
            logits = s.matrix @ wide[:, :, s.lo : s.hi]  # (B, K, rows, W)
            label = labels[:, s.start : s.stop]  # (B, rows, W)
            counts = label != ignore  # (B, rows, W), how much each pixel counts
            target = torch.where(counts, label, 0)[:, None]  # (B, 1, rows, W)
            if class_weights is not None:
                counts = counts * class_weights.to(label.device)[target[:, 0]]
            log_z = logits.logsumexp(dim=1, keepdim=True)  # (B, 1, rows, W)
            total += ((log_z - logits.gather(1, target)) * counts[:, None]).sum(dtype=torch.float64)
            if ctx.needs_input_grad[0]:
                grad = (logits - log_z).exp_()  # softmax, (B, K, rows, W)
                grad.scatter_add_(1, target, -torch.ones_like(log_z))  # minus one at the truth
                grad *= counts[:, None]
                wide_grad[:, :, s.lo : s.hi] += s.matrix.T @ grad  # (B, K, hi - lo, W)
        ctx.save_for_backward((wide_grad @ cols).to(scores.dtype))  # (B, K, h', w')
        return total.float()

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor):
        (grad,) = ctx.saved_tensors
        return upstream * grad, None, None, None, None, None
