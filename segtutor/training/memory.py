"""What a training step keeps in memory, counted layer by layer.

Implements  : ours, for our code: fused attention, loss from coarse scores in strips, logits never
              whole
Taught in   : chapter 13, Training recipes
Departure   : the official code stores attention matrices and full-size logits; `fused=False` adds
              the former.

A layer that wants a gradient keeps what its backward pass will read: a linear map or a convolution
its input, a LayerNorm its input, GELU its input, ReLU its output, attention its q, k, v and result.
Sums keep nothing. A tensor that two layers keep is stored once. Every number below is the length
of a kept vector for one token, or for one cell of a map; all are bytes in the end.

`e` is the size of a number where autocast has its way (2 or 4 bytes); the residual stream of a
block and everything in the loss stays in float32. tests/training/test_memory.py compares this
account with what autograd really keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from segtutor.config import ModelConfig
from segtutor.decoders import mla_layers
from segtutor.models import SegmentationModel, build
from segtutor.tokens import dims_of
from segtutor.training.losses import STRIP

FLOAT = 4  # bytes
SIZE = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Memory:
    """Bytes. weights: with buffers. gradients, optimiser: of what is trained. kept: activations for
    the backward pass, by where they arise. passing: the largest intermediate results on top.

    carried: gradients stand beside all activations; otherwise they are made while these go.
    """

    weights: int
    gradients: int
    optimiser: int
    kept: dict[str, int]
    passing: int
    carried: bool = True

    @property
    def activations(self) -> int:
        return sum(self.kept.values())

    @property
    def above_model(self) -> int:
        """Peak beyond the weights."""
        full = self.activations + self.passing
        if self.carried:
            return self.optimiser + self.gradients + full
        return self.optimiser + max(self.gradients + self.passing, full)

    @property
    def peak(self) -> int:
        return self.weights + self.above_model


def step_memory(
    config: ModelConfig,
    *,
    batch: int,
    precision: str = "float32",
    optimiser: str = "sgd",
    checkpoint: bool = False,
    frozen: int = 0,
    fused: bool = True,
    device: str = "cuda",
    carried: bool = True,
) -> Memory:
    """Peak of one training step. batch: images that go through the network at a time. precision:
    "float32", "bfloat16" or "float16" (autocast). checkpoint: blocks forget and recompute. device:
    "cpu" has no fused attention with dropout, and stores dropout's masks as numbers.
    """
    with torch.device("meta"):
        model = build(config)
        model.encoder.freeze(frozen)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    weights = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    b = _Step(config, model, batch, SIZE[precision], fused, device)
    kept = {"pictures and labels": b.pictures(frozen)}
    if config.backbone:
        kept["ResNet"] = traced(model.encoder.patch_embed, (batch, 3, *b.padded), b.e)
    depth = dims_of(config.size)[1] - frozen
    kept["blocks"] = depth * b.stream() if checkpoint else depth * b.block()
    kept["tokens"] = b.tail()
    kept["neck"], kept["decoder"] = b.neck(), b.decoder()
    kept["auxiliary heads"] = sum(b.auxiliary(head) for head in model.auxiliary)
    casts = trained - b.remade(depth)
    kept["weights in half precision"] = casts * SIZE[precision] if b.e < FLOAT else 0
    passing = max(b.loss(), b.backward(checkpoint))
    states = {"sgd": 1, "adamw": 2}[optimiser]
    return Memory(
        weights=weights,
        gradients=FLOAT * trained,
        optimiser=states * FLOAT * trained,
        kept={name: size for name, size in kept.items() if size},
        passing=passing,
        carried=carried,
    )


class _Step:
    """The account of one step: sizes once, then one method for each part, in bytes."""

    def __init__(
        self,
        config: ModelConfig,
        model: SegmentationModel,
        batch: int,
        e: int,
        fused: bool,
        device: str,
    ):
        self.c, self.model, self.B, self.e = config, model, batch, e
        self.fused, self.cuda = fused, device == "cuda"
        self.D, self.L, self.A = dims_of(config.size)
        multiple = model.multiple_of
        self.padded = tuple(-(-side // multiple) * multiple for side in config.image)
        self.grid = tuple(side // multiple for side in self.padded)
        self.N = self.grid[0] * self.grid[1]
        self.T = self.N + len(config.extra_tokens)

    def pictures(self, frozen: int) -> int:
        """Photographs, their padded copy (what the first convolution reads), labels as int64."""
        H, W = self.padded
        copies = 1 if frozen else 2
        return self.B * H * W * (copies * 3 * FLOAT + 8)

    def stream(self) -> int:
        """What enters a block."""
        return self.B * self.T * self.D * FLOAT

    def block(self) -> int:
        return self.block_of(self.D, self.A, self.T, self.c.dropout)

    def block_of(self, D: int, A: int, T: int, dropout: float) -> int:
        """Everything a block keeps: 2 inputs of norms; the outputs of both norms, q, k, v, what
        attention returns; the hidden layer before GELU (`Mlp` makes the rest of it again).
        """
        kept = 2 * FLOAT * D + self.e * (3 * D + 4 * D)  # norms; results of norms and heads; MLP
        kept += 4 * FLOAT + FLOAT * A  # means and spreads of the norms, log-sums of attention
        if self.fused and not (dropout and not self.cuda):
            kept += self.e * 3 * D
        else:  # step by step: q, k, v and the rows of the attention matrix, in float32 on a CPU
            e = self.e if self.cuda else FLOAT
            kept += e * (3 * D + A * T)
            if dropout:  # its mask, and what is left of the rows
                kept += (1 if self.cuda else e) * A * T + e * A * T
        if dropout:
            kept += (1 if self.cuda else self.e) * (D + D)  # masks
        return self.B * T * kept

    def remade(self, depth: int) -> int:
        """Numbers of the MLPs' second matrices: their casts are made again together with GELU."""
        inner = self.c.decoder_depth if self.c.decoder == "mask" else 0
        return depth * 4 * self.D**2 + inner * 4 * (self.c.decoder_width or self.D) ** 2

    def tail(self) -> int:
        """What the last block returns, and where there is a last norm its result."""
        norm = self.e * self.D if self.model.encoder.norm is not None else 0
        return self.B * self.T * (FLOAT * self.D + norm)

    def stage(self, width: int, cells: int, scale: int = 1) -> int:
        """ConvStage: BatchNorm's input, ReLU's output, and the enlarged map behind it."""
        grown = scale**2 * width if scale > 1 else 0
        return self.B * cells * self.e * (2 * width + grown)

    def normed(self, width: int) -> int:
        """A LayerNorm before a convolution: its result."""
        return self.B * self.N * self.e * width

    def scores(self, scale: int = 1) -> int:
        """The gradient that the loss forms at once."""
        return self.B * self.N * scale**2 * self.c.classes * self.e

    def neck(self) -> int:
        if self.c.decoder != "mla":
            return 0
        taps = len(self.c.taps or mla_layers(self.L))
        hidden = self.c.hidden
        summed = self.B * self.N * self.e * hidden
        return taps * (self.normed(self.D) + 2 * self.stage(hidden, self.N) + summed)

    def decoder(self) -> int:
        c = self.c
        match c.decoder:
            case "linear":
                return self.scores()
            case "mask":
                return self.mask_transformer() + self.scores()
            case "naive":
                return self.normed(self.D) + self.stage(c.hidden, self.N) + self.scores()
            case "pup":
                return self.pup((2, 2, 2, 1))
        levels = len(c.taps or mla_layers(self.L))
        streams = levels * 2 * self.stage(c.head_hidden, self.N)
        joined = self.B * 16 * self.N * self.e * levels * c.head_hidden
        return streams + joined + self.scores(4)

    def pup(self, scales: tuple[int, ...]) -> int:
        total, cells, grown = self.normed(self.D), self.N, 1
        for scale in scales:
            total += self.stage(self.c.hidden, cells, scale)
            cells, grown = cells * scale**2, grown * scale
        return total + self.scores(grown)

    def auxiliary(self, head: torch.nn.Module) -> int:
        match self.c.decoder:
            case "naive":
                return self.normed(self.D) + self.stage(self.c.hidden, self.N) + self.scores()
            case "pup":
                return self.pup((4,))
        return self.scores()  # mla's read the neck's maps

    def mask_transformer(self) -> int:
        c, K = self.c, self.c.classes
        d = c.decoder_width or self.D
        T = self.N + K
        heads = c.decoder_heads or d // 64
        blocks = c.decoder_depth * self.block_of(d, heads, T, c.decoder_dropout)
        last = self.B * T * (FLOAT * d + 3 * self.e * d)  # norm, its result, before and after unit
        norm = self.B * self.N * (FLOAT + self.e) * K if c.class_norm else 0
        return blocks + last + norm

    def loss(self) -> int:
        """The head with most cells: its scores and their gradient in float32; of one picture the
        scores as wide as the labels, twice; of a strip of rows the logits and their soft-max.
        """
        scale = {"pup": 8, "mla": 4}.get(self.c.decoder, 1)
        cells = self.N * scale**2
        K, W = self.c.classes, self.padded[1]
        wide = K * W * self.grid[0] * scale
        strip = max(STRIP["cuda" if self.cuda else "cpu"], W * K)
        return FLOAT * (2 * self.B * K * cells + 2 * wide + 3 * strip)

    def backward(self, checkpoint: bool) -> int:
        """The last block on the way back: gradients of the stream and of the hidden layer, and the
        hidden layer behind GELU, made again; with checkpointing also all that it keeps.
        """
        again = self.block() - self.stream() if checkpoint else 0
        return again + self.B * self.T * (FLOAT * self.D + 8 * self.e * self.D)


def traced(module: torch.nn.Module, shape: tuple[int, ...], e: int = FLOAT) -> int:
    """Bytes that autograd keeps of a module for one input, asked on the meta device. For parts that
    are a library's: SETR-Hybrid's ResNet.
    """
    seen: dict[int, int] = {}
    own = {id(p.untyped_storage()) for p in module.parameters()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in own:
            seen[storage._cdata] = storage.nbytes() * e // FLOAT
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = module.train()(torch.empty(shape, device="meta"))
    del result
    return sum(seen.values())
