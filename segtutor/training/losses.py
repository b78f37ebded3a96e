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


def denominator(labels: Tensor, ignore: int, mean: str) -> Tensor:
    """How many pixels the sum is divided by (at least 1)."""
    if mean not in MEANS:
        raise ValueError(f"mean is {mean!r}, expected 'valid' (Segmenter) or 'all' (SETR)")
    count = (labels != ignore).sum() if mean == "valid" else torch.tensor(labels.numel())
    return count.clamp(min=1).to(labels.device)


def cross_entropy(
    logits: Tensor, labels: Tensor, *, ignore: int = 255, mean: str = "valid"
) -> Tensor:
    """Cross-entropy of full-resolution logits. logits: (B, K, H, W). labels: (B, H, W) ids.
    Returns a scalar.
    """
    total = F.cross_entropy(logits.float(), labels.long(), ignore_index=ignore, reduction="sum")
    return total / denominator(labels, ignore, mean)


def loss_from_coarse(
    coarse: Coarse,
    labels: Tensor,
    *,
    ignore: int = 255,
    mean: str = "valid",
    aux_weight: float = 0.4,
    strip: int = 32,
) -> Tensor:
    """Main loss + aux_weight * each auxiliary loss, from coarse scores. labels: (B, H, W) ids.

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
    losses = [
        _StripCrossEntropy.apply(scores, coarse, labels.long(), ignore, strip)
        for scores in (coarse.scores, *coarse.aux)
    ]
    total = losses[0] + aux_weight * sum(losses[1:])
    return total / denominator(labels, ignore, mean)


class _StripCrossEntropy(torch.autograd.Function):
    """Sum of cross-entropy over all counted pixels of `rows @ scores @ cols.T`, one strip of rows
    at a time.
    """

    @staticmethod
    def forward(
        ctx, scores: Tensor, coarse: Coarse, labels: Tensor, ignore: int, strip: int
    ) -> Tensor:
        rows, cols = separable(coarse, scores, labels.shape[-2:])  # (H, h'), (W, w')
        wide = scores.float() @ cols.T  # (B, K, h', W)
        wide_grad = torch.zeros_like(wide)
        total = torch.zeros((), dtype=torch.float64, device=scores.device)
        for s in strips(rows, labels.shape[1], strip):
            logits = s.matrix @ wide[:, :, s.lo : s.hi]  # (B, K, rows, W)
            label = labels[:, s.start : s.stop]  # (B, rows, W)
            counts = label != ignore
            target = torch.where(counts, label, 0)[:, None]  # (B, 1, rows, W)
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
        return upstream * grad, None, None, None, None
