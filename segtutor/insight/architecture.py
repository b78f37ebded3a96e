"""A model as a drawing: every box is a part of it, every arrow carries a shape read while it ran.

Implements  : our own drawings for SETR figure 1 and Segmenter figure 2
Taught in   : chapters 00 and 05-09; chapter 15 shows all of them
Departs     : the papers draw the idea, with H/16 and D. Here one image goes through the model at
              hand, on PyTorch's meta device (shapes without values), and `capture` notes what
              every module returns. So another patch, width or decoder changes the drawing, and what
              the papers leave out is in it: class tokens, the decoders' own norms, padding.
              Two shapes belong to no module and come from what the drawn matrices multiply: the
              patches and classes of the mask transformer after its last norm.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from segtutor.decoders import LinearDecoder, MaskTransformer, MLADecoder, NaiveDecoder, PUPDecoder
from segtutor.insight.architecture_mla import levels
from segtutor.insight.architecture_parts import Flow, Shapes
from segtutor.insight.capture import capture
from segtutor.insight.drawing import Drawing, times
from segtutor.models import SegmentationModel
from segtutor.tokens import Encoder
from segtutor.upsampling import Size, upsample


def shapes_of(model: SegmentationModel, size: Size) -> Shapes:
    """Run one image of `size` (H, W) through a copy of the model without values. The model itself
    is not run; no memory for weights or activations is taken.
    """
    bare, weight = _without_values(model), next(model.parameters())
    images = torch.empty(1, 3, *size, device="meta", dtype=weight.dtype)
    with torch.no_grad(), capture(bare, "*") as seen:
        coarse = bare.coarse(images, aux=True)
        logits = upsample(coarse, size)
    found = {name: _shape(output) for name, output in seen.items()}
    return Shapes(
        of={name: shape for name, shape in found.items() if shape is not None},
        size=tuple(size),
        padded=tuple(coarse.padded_size),
        scores=_shape(coarse.scores),
        logits=_shape(logits),
        labels=_shape(logits.argmax(1)),
        aux=[_shape(scores) for scores in coarse.aux],
    )


def _without_values(model: nn.Module) -> nn.Module:
    """A copy whose parameters and buffers have shapes only: deepcopy believes they are made
    already.
    """
    memo = {id(b): torch.empty_like(b, device="meta") for b in model.buffers()}
    for p in model.parameters():
        memo[id(p)] = nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad)
    return copy.deepcopy(model, memo).eval()


def _shape(output) -> tuple | None:
    if isinstance(output, Tensor):
        return tuple(output.shape[1:])
    if isinstance(output, tuple) and output and isinstance(output[0], Tensor):
        shapes = tuple(tuple(x.shape[1:]) for x in output if isinstance(x, Tensor))
        return shapes if len(shapes) > 1 else shapes[0]  # a patch embedding returns its grid, too
    return None


def architecture(model: SegmentationModel, size: Size | None = None, *, title: str = "") -> Drawing:
    """The drawing of a model of SETR's or Segmenter's kind, see `drawing.draw`.

    size: (H, W) of the image that goes through; None takes the size that the model was made for.
    Decoders other than the papers' become one box. Raises ValueError for a model without a
    transformer encoder (the baselines).
    """
    if isinstance(model, Encoder):
        raise ValueError("this is an encoder alone: architecture draws whole models")
    if not isinstance(getattr(model, "encoder", None), Encoder):
        raise ValueError(
            f"the encoder is a {type(getattr(model, 'encoder', model)).__name__}: architecture "
            "draws models that begin with a transformer encoder, as SETR and Segmenter do"
        )
    size = size or getattr(model.config, "image", None)
    if size is None:
        raise ValueError("the model does not say what images it was made for: give size=(H, W)")
    shapes = shapes_of(model, size)
    flow = Flow(shapes, model)
    mla = isinstance(model.decoder, MLADecoder) and model.neck is not None
    flow.tokens()
    if mla:
        levels(flow, model)
    else:
        flow.encoder()
        decoders = {
            LinearDecoder: flow.linear,
            MaskTransformer: flow.mask,
            NaiveDecoder: flow.naive,
            PUPDecoder: flow.pup,
        }
        decoders.get(type(model.decoder), flow.unknown)()
        flow.auxiliary()
    flow.pixels()
    return flow.drawing(title or _title(model))


def architecture_alt(drawing: Drawing) -> str:
    """The drawing in words: what travels along every arrow, equal ones together."""
    titles = {box.key: box.title for box in drawing.boxes}
    steps: dict[tuple, int] = {}
    for a in drawing.arrows:
        key = (titles[a.start], titles[a.end], times(a.shape), a.kind)
        steps[key] = steps.get(key, 0) + 1
    words = [
        f"{start} to {end}: {shape} {kind}" + (f" ({n} times)" if n > 1 else "")
        for (start, end, shape, kind), n in steps.items()
    ]
    notes = "".join(f" {note}" for note in drawing.notes)
    return f"{drawing.title}, boxes from top to bottom. {'; '.join(words)}.{notes}"


def _title(model: SegmentationModel) -> str:
    if model.config is None:
        return type(model.decoder).__name__
    family = {"setr": "SETR", "segmenter": "Segmenter"}.get(model.config.family, "")
    decoder = {"naive": "Naive", "pup": "PUP", "mla": "MLA"}
    name = decoder.get(model.config.decoder, f"{model.config.decoder} decoder")
    return f"{family}, {name}"
