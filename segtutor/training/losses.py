"""Pixel-wise cross-entropy, with both papers' ideas of a mean.

Implements  : Segmenter section 3 and SETR section 3.3 ("pixel-wise cross-entropy loss")
Taught in   : chapter 12 (ignore), chapter 13 (memory)
Official    : Segmenter divides by the number of *counted* pixels (PyTorch's mean). SETR's code
              divides by *all* pixels: an ignored pixel adds nothing to the sum but stays in the
              denominator. `mean` says which.

`loss_from_coarse` computes the same number from coarse scores without making the (B, K, H, W)
logits: it walks over strips of pixel rows that fit into the processor's cache, and forms the
gradient in the same pass. Classes stand last there: the soft-max then reads neighbouring numbers,
and a strip is one product of two plain matrices.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from segtutor.upsampling import Coarse, at_least_single, separable, strips

MEANS = ("valid", "all")
STRIP = {"cpu": 2**20, "cuda": 2**26}  # logits held at a time: 4 MB in a cache, 256 MB on a GPU
RARE = 1e-30  # float32 cannot be trusted with probabilities below


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
        at_least_single(logits), labels.long(), class_weights, ignore_index=ignore, reduction="sum"
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
    strip: int | None = None,
) -> Tensor:
    """Main loss + aux_weight * each auxiliary loss, from coarse scores. labels: (B, H, W) ids.
    class_weights: (K,), see `balanced_weights`. strip: rows of pixels at a time; None takes what
    fits into the cache.

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
    with torch.autocast(labels.device.type, enabled=False):  # it would round the small products
        losses = [
            _StripCrossEntropy.apply(scores, coarse, labels.long(), ignore, class_weights, strip)
            for scores in (coarse.scores, *coarse.aux)
        ]
    total = losses[0] + aux_weight * sum(losses[1:])
    return total / denominator(labels, ignore, mean, class_weights)


class _StripCrossEntropy(torch.autograd.Function):
    """Sum of cross-entropy over all counted pixels of `rows @ scores @ cols.T`, one image and one
    strip of rows at a time.
    """

    @staticmethod
    def forward(
        ctx,
        scores: Tensor,
        coarse: Coarse,
        labels: Tensor,
        ignore: int,
        class_weights: Tensor | None,
        strip: int | None,
    ) -> Tensor:
        exact = at_least_single(scores)  # (B, K, h', w')
        K, (H, W) = exact.shape[1], labels.shape[-2:]
        rows, cols = separable(coarse, exact, (H, W))  # (H, h'), (W, w')
        strip = strip or max(1, STRIP.get(scores.device.type, STRIP["cuda"]) // (W * K))
        pieces = list(strips(rows, H, strip))
        grads = torch.empty_like(exact) if ctx.needs_input_grad[0] else None
        total = torch.zeros((), dtype=torch.float64, device=scores.device)
        for b, label in enumerate(labels):  # (H, W)
            wide = cols @ exact[b].permute(1, 2, 0)  # (h', W, K)
            wide_grad = torch.zeros_like(wide)  # (h', W, K)
            for s in pieces:
                logits = s.matrix @ wide[s.lo : s.hi].flatten(1)  # (rows, W*K)
                logits = logits.view(-1, K)  # (rows*W, K), as all that follows
                truth = label[s.start : s.stop].reshape(-1, 1)  # (rows*W, 1)
                counts = truth != ignore  # (rows*W, 1), how much each pixel counts
                truth = torch.where(counts, truth, 0)
                if class_weights is not None:
                    counts = counts * class_weights.to(logits)[truth]
                p = logits.softmax(1)
                p_truth = p.gather(1, truth)  # (rows*W, 1)
                log_p = p_truth.log()
                rare = p_truth[:, 0] < RARE
                if rare.any():
                    log_p[rare] = logits[rare].log_softmax(1).gather(1, truth[rare])
                total -= (log_p * counts).sum(dtype=torch.float64)
                if grads is not None:  # soft-max minus one at the truth, in place
                    p.scatter_(1, truth, p_truth - 1).mul_(counts)
                    part = wide_grad[s.lo : s.hi].flatten(1)  # (hi - lo, W*K), a view
                    part.addmm_(s.matrix.T, p.view(-1, W * K))
            if grads is not None:
                grads[b] = (cols.T @ wide_grad).permute(2, 0, 1)  # (K, h', w')
        if grads is not None:
            ctx.save_for_backward(grads.to(scores.dtype))
        return total.to(exact.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor):
        (grads,) = ctx.saved_tensors
        return upstream * grads, None, None, None, None, None
