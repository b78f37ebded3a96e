"""One photograph through one model, with everything that the figures need, seen by `capture`.

Implements  : no figure by itself; SETR figures 5 and 6 and Segmenter figures 1, 6 and 7 start here
Taught in   : chapter 15, Reading the model
Differs     : both papers look at their trained networks; this takes any Segmenter or SETR, and a
              bare encoder, so that ImageNet weights can be read as well.

    seen = inside(model, photo)            # photo: (3, 224, 224), uint8 or float in 0..1
    seen.attention[4, 1]                   # fifth layer, second head: (T, T)
    attention_of_patch(seen.attention[4], seen.grid, (7, 3), seen.extra)

Layers and heads are counted from 0, as Python counts; titles of figures say "layer 1" for the
first, as the papers do with Z1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.data.transforms import normalise
from segtutor.decoders import MaskTransformer
from segtutor.insight.capture import capture
from segtutor.tokens import Encoder
from segtutor.tokens.patch import Grid


@dataclass(frozen=True)
class Inside:
    """What a model did with one photograph. All tensors are float32, on the processor.

    image: (3, H, W) in 0..1, before normalisation. grid: (h, w) patches, h*w = N. extra: E, tokens
    before the patches; T = E + N. patch: side in pixels. attention: (L, A, T, T), rows sum to 1.
    tokens: (L, T, D) after every layer, no norm. decoder_attention: (M, A, N + K, N + K) of the
    mask transformer, patches first, then classes; else None. scores: (K, h, w), a mean over each
    patch where the decoder is finer; None for a bare encoder. classes: K names.
    """

    image: Tensor
    grid: Grid
    extra: int
    patch: int
    attention: Tensor
    tokens: Tensor
    decoder_attention: Tensor | None
    scores: Tensor | None
    classes: tuple[str, ...]

    @property
    def answer(self) -> Tensor | None:
        """Class of every patch, (h, w), or None for a bare encoder."""
        return None if self.scores is None else self.scores.argmax(0)


def inside(
    model: nn.Module,
    image: Tensor,
    *,
    classes: Sequence[str] = (),
    normalisation: str | None = None,
) -> Inside:
    """Run a SegmentationModel or a bare Encoder on one photograph and keep what it did.

    image: (3, H, W), uint8 or float in 0..1, not normalised; sides multiples of the patch (resize
    or crop it first). classes: K names; empty for "class 0" and so on. normalisation: key of
    data.transforms.NORMALISATIONS; None for the model's own (`model.config`). A bare encoder does
    not know its own, so it must be given.

    The model runs in evaluation mode and is left as it was. Attention takes 4*L*A*T*T bytes: 14 MB
    for DeiT-Tiny at 224x224, 1.6 GB for ViT-Large at 512x512.

    Raises ValueError for a model without attention (saying which views it has), a photograph
    smaller than a patch or not tiled by patches, a wrong number of names, and weights of attention
    that are not finite (saying where).
    """
    encoder = encoder_of(model)
    pixels = checked(image, encoder.patch)  # (3, H, W), 0..1
    grid = (pixels.shape[-2] // encoder.patch, pixels.shape[-1] // encoder.patch)
    before = "" if encoder is model else "encoder."
    attention = [f"{before}blocks.{i}.attn" for i in range(encoder.depth)]
    blocks = [f"{before}blocks.{i}" for i in range(encoder.depth)]
    decoder = getattr(model, "decoder", None)
    readers = len(decoder.blocks) if isinstance(decoder, MaskTransformer) else 0
    readers = [f"decoder.blocks.{i}.attn" for i in range(readers)]
    seen, scores = watched(
        model, pixels, *attention, *blocks, *readers, normalisation=normalisation
    )
    if scores is not None:
        scores = F.interpolate(scores, size=grid, mode="area")[0].cpu()  # (K, h, w)
    return Inside(
        image=pixels,
        grid=grid,
        extra=encoder.extra,
        patch=encoder.patch,
        attention=finite(_stack(seen, attention), "the encoder"),  # (L, A, T, T)
        tokens=_stack(seen, blocks),  # (L, T, D)
        decoder_attention=finite(_stack(seen, readers), "the decoder") if readers else None,
        scores=scores,
        classes=_names(classes, 0 if scores is None else len(scores)),
    )


def watched(
    model: nn.Module, pixels: Tensor, *patterns: str, normalisation: str | None = None
) -> tuple[dict[str, Tensor], Tensor | None]:
    """One forward pass in evaluation mode: what `capture` saw of the patterns, and the coarse
    scores (1, K, h', w'), None for a bare encoder.

    pixels: (3, H, W) float in 0..1, which the model can take. normalisation: see `inside`.
    """
    name = normalisation or getattr(getattr(model, "config", None), "normalisation", None)
    if name is None:
        raise ValueError(
            "a bare encoder does not say how its pixels were normalised: give normalisation="
            "'imagenet' (DeiT, SETR) or 'half' (AugReg ViT, Segmenter)"
        )
    weight = next(model.parameters())
    batch = normalise(255 * pixels.to(weight.device), name)[None].to(weight.dtype)  # (1, 3, H, W)
    bare, training = isinstance(model, Encoder), model.training
    model.eval()
    try:
        with torch.no_grad(), capture(model, *patterns) as seen:
            found = model(batch) if bare else model.coarse(batch, aux=False)
    finally:
        model.train(training)
    return seen, None if bare else found.scores.float()


def finite(attention: Tensor, whose: str = "the model") -> Tensor:
    """The attention (L, A, T, T) itself. Raises ValueError, naming the first layer and head, where
    a weight is not a finite number.
    """
    good = torch.isfinite(attention).flatten(2).all(-1)  # (L, A)
    if not good.all():
        layer, head = (~good).nonzero()[0].tolist()
        odd = attention[layer, head]
        odd = odd[~torch.isfinite(odd)]
        raise ValueError(
            f"the attention of {whose} is not finite: layer {layer}, head {head} (counted from 0) "
            f"holds {len(odd)} values such as {odd[0].item()}; look for nan in the weights or the "
            "photograph, and for overflow where the model is in half precision"
        )
    return attention


def encoder_of(model: nn.Module) -> Encoder:
    """The transformer in a model, or itself. Raises ValueError, saying which views exist, for a
    model without one.
    """
    encoder = model if isinstance(model, Encoder) else getattr(model, "encoder", None)
    if not isinstance(encoder, Encoder):
        config = getattr(model, "config", None)
        kind = getattr(config, "architecture", None) or type(model).__name__
        raise ValueError(
            f"{kind} has no attention to look at: attention, rollout, distance and positions need "
            "a transformer. Views that exist for it: feature maps (capture and "
            "insight.features), predictions side by side (insight.comparison) and failures "
            "(insight.failures)"
        )
    return encoder


def checked(image: Tensor, patch: int) -> Tensor:
    """The photograph as (3, H, W) float32 in 0..1, its sides multiples of the patch. Raises
    ValueError, saying what to do, for one that is not so.
    """
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(
            f"the photograph has shape {tuple(image.shape)}, expected (3, H, W): one image, "
            "channels first"
        )
    H, W = image.shape[-2:]
    if min(H, W) < patch:
        raise ValueError(
            f"the photograph is {H}x{W} pixels, smaller than one patch of {patch}x{patch}: "
            "use a larger one"
        )
    if H % patch or W % patch:
        raise ValueError(
            f"the photograph is {H}x{W} pixels, which patches of {patch}x{patch} do not tile: "
            f"resize or crop it, for instance to {H - H % patch}x{W - W % patch}"
        )
    pixels = image.detach().cpu()
    if pixels.dtype == torch.uint8:
        return pixels.float() / 255
    pixels = pixels.float()
    low, high = pixels.min().item(), pixels.max().item()
    if not (low >= 0 and high <= 1):  # so that nan is caught too
        raise ValueError(
            f"the photograph's values run from {low:.3g} to {high:.3g}, expected uint8 or float in "
            "0..1: normalisation is done here"
        )
    return pixels


def _stack(seen: dict[str, Tensor], names: list[str]) -> Tensor:
    return torch.stack([seen[name][0].float().cpu() for name in names])


def _names(classes: Sequence[str], count: int) -> tuple[str, ...]:
    if not classes:
        return tuple(f"class {k}" for k in range(count))
    if len(classes) != count:
        raise ValueError(f"{len(classes)} class names, but the model scores {count} classes")
    return tuple(classes)
