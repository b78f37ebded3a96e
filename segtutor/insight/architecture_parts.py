"""How the drawing of a model grows: box under box, with the shapes that were read.

Implements  : the parts of our drawings for SETR figure 1 (a, b) and Segmenter figure 2
Taught in   : chapters 05, 06 and 09

One method a part of the models; architecture.py calls them in order. MLA has a file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from segtutor.insight.drawing import Arrow, Box, Drawing, times
from segtutor.models import SegmentationModel
from segtutor.upsampling import Size

MAIN, WIDE = 1.6, 2.3  # centre and width of the main column, inches
SIDE, NARROW = 3.73, 1.52  # of the boxes beside it
NO_SIDE = 3.4  # width of a drawing without such boxes


@dataclass
class Shapes:
    """What one forward pass showed. of: module -> shape of its output, without the batch axis; of
    several outputs a tuple of shapes. padded: (H', W'). aux: shapes of the auxiliary scores.
    """

    of: dict[str, tuple]
    size: Size
    padded: Size
    scores: tuple[int, ...]
    logits: tuple[int, ...]
    labels: tuple[int, ...]
    aux: list[tuple[int, ...]] = field(default_factory=list)


class Flow:
    """Adds box after box below each other; `gives` is what the last one passes on."""

    def __init__(self, shapes: Shapes, model: SegmentationModel):
        self.s, self.model = shapes, model
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self.notes: list[str] = []
        self.row, self.width, self.main = 0.0, 4.75, MAIN

    def then(self, key, title, detail, group, gives, kind, *, extra=0, copies=1) -> Box:
        """A box under the last one. gives: shape of its output, kind: what that is."""
        box = Box(key, title, detail, group, self.main, self.row, WIDE, copies)
        if self.boxes:
            self.join(self.last, key)
        self.boxes.append(box)
        self.last, self.row = key, self.row + 1
        self.leaving = dict(shape=tuple(gives), kind=kind, extra=extra)
        return box

    def join(self, start: str, end: str, **changes) -> None:
        self.arrows.append(Arrow(start, end, **{**self.leaving, **changes}))

    def tokens(self) -> None:
        """Photograph -> tokens with positions."""
        s, encoder = self.s, self.model.encoder
        P, E = encoder.patch, encoder.extra
        self.then("image", "photograph", "normalised pixels", "pixels", (3, *s.size), "pixels")
        if s.padded != s.size:
            detail = f"right and bottom, to multiples of {self.model.multiple_of}"
            self.then("pad", "pad with zeros", detail, "pixels", (3, *s.padded), "pixels")
        h, w = s.padded[0] // P, s.padded[1] // P
        cut = f"{h} × {w} patches, {P} × {P} each"
        title = "patch embedding"
        if hasattr(encoder.patch_embed, "backbone"):
            title, cut = "ResNet, then Linear", f"{h} × {w} places, stride {P}"
        self.then("patch", title, cut, "encoder", s.of["encoder.patch_embed"], "tokens")
        names = {0: "no token but the patches", 1: "and one class token"}
        detail = names.get(E, f"and {E} tokens: {', '.join(encoder.extra_tokens)}")
        self.then("position", "add positions", detail, "encoder",
                  s.of["encoder.pos_embed"], "tokens", extra=E)  # fmt: skip

    def block_words(self) -> str:
        """Heads and widths of a layer, from the first one."""
        heads, *_ = self.s.of["encoder.blocks.0.attn"]
        hidden = self.s.of["encoder.blocks.0.mlp.fc1"][-1]
        return f"{heads} heads, MLP {hidden} wide"

    def encoder(self) -> None:
        s, L = self.s, self.model.encoder.depth
        E = self.model.encoder.extra
        self.then("blocks", f"{L} transformer layers", self.block_words(), "encoder",
                  s.of[f"encoder.blocks.{L - 1}"], "tokens", extra=E, copies=L)  # fmt: skip
        if self.model.encoder.norm is not None:
            self.then("norm", "LayerNorm", "after the last layer", "encoder",
                      s.of["encoder.norm"], "tokens", extra=E)  # fmt: skip

    def dropped(self) -> str:
        words = ("", "class token dropped", "extra tokens dropped")
        return words[min(self.model.encoder.extra, 2)]

    def linear(self) -> None:
        of = self.s.of
        self.then("linear", "Linear", self.dropped(), "decoder", of["decoder.head"], "scores")
        self.grid()

    def grid(self) -> None:
        detail = "a row of tokens is a row of patches"
        self.then("grid", "lay out on the grid", detail, "decoder", self.s.scores, "scores")

    def naive(self) -> None:
        of = self.s.of
        self.then("dnorm", "LayerNorm", self.dropped(), "decoder", of["decoder.norm"], "tokens")
        self.then("mix", "1×1 conv", "on the grid; BatchNorm, ReLU", "decoder",
                  of["decoder.bn"], "map")  # fmt: skip
        self.then("classify", "1×1 conv", "to classes", "decoder", of["decoder"], "scores")

    def pup(self) -> None:
        of = self.s.of
        self.then("dnorm", "LayerNorm", self.dropped(), "decoder", of["decoder.norm"], "tokens")
        for i, stage in enumerate(self.model.decoder.stages):
            grow = f"BatchNorm, ReLU, bilinear × {stage.scale}"
            detail = grow if stage.scale > 1 else "BatchNorm, ReLU"
            k = stage.conv.kernel_size[0]
            self.then(f"stage{i}", f"{k}×{k} conv", detail, "decoder",
                      of[f"decoder.stages.{i}"], "map")  # fmt: skip
        self.then("classify", "1×1 conv", "to classes", "decoder", of["decoder"], "scores")

    def mask(self) -> None:
        of, decoder = self.s.of, self.model.decoder
        n, d = of["decoder.enter"]
        k = decoder.classes.shape[1]
        self.then("enter", "Linear", self.dropped(), "decoder", (n, d), "tokens")
        M = len(decoder.blocks)
        layers = self.then("mixing", f"{M} transformer layers", "patches and classes together",
                           "decoder", of["decoder.norm"], "tokens", copies=M)  # fmt: skip
        self.boxes.append(Box("classes", f"{k} class tokens", "learnt", "classes", SIDE,
                              layers.row - 1, NARROW))  # fmt: skip
        self.arrows.append(Arrow("classes", "mixing", tuple(decoder.classes.shape[1:]), "tokens"))
        patches = (of["decoder.norm"][0] - k, decoder.patch_matrix.shape[1])
        self.then("patches", "patches × matrix", "divided by their length", "decoder",
                  patches, "tokens")  # fmt: skip
        self.arrows[-1] = replace(self.arrows[-1], shape=patches)
        side = (k, decoder.class_matrix.shape[1])
        self.boxes.append(Box("vectors", "classes × matrix", "to length one", "classes", SIDE,
                              self.row - 1, NARROW))  # fmt: skip
        self.arrows.append(Arrow("mixing", "vectors", side, "tokens"))
        self.then("product", "scalar products", "each patch with each class", "decoder",
                  of["decoder.cosines"], "scores")  # fmt: skip
        self.arrows.append(Arrow("vectors", "product", side, "tokens"))
        if decoder.class_norm is not None:
            self.then("cnorm", "LayerNorm", "over the classes of a patch", "decoder",
                      of["decoder.class_norm"], "scores")  # fmt: skip
        self.grid()

    def unknown(self) -> None:
        """A neck and a decoder that no paper knows, one box each."""
        if self.model.neck is not None:
            maps = self.s.of["neck"]
            maps = maps[0] if isinstance(maps[0], tuple) else maps  # of several, the first
            self.then("neck", type(self.model.neck).__name__, "", "neck", maps, "map")
        name = type(self.model.decoder).__name__
        self.then("decoder", name, "", "decoder", self.s.of["decoder"], "scores")

    def auxiliary(self) -> None:
        """The heads of training as one dashed box beside the decoder."""
        heads = [head for head in self.model.auxiliary if head.layers]
        if len(heads) < len(self.s.aux):  # they read the neck, or something of their own
            shapes = ", ".join(dict.fromkeys(times(shape) for shape in self.s.aux))
            self.notes.append(f"In training, {len(self.s.aux)} auxiliary heads: {shapes} scores.")
            return
        if not heads:
            return
        first = next(box for box in self.boxes if box.group == "decoder")
        after = ", ".join(str(i + 1) for head in heads for i in head.layers)
        self.boxes.append(Box("aux", f"{len(heads)} auxiliary heads", f"layers {after}",
                              "training", SIDE, first.row + 1, NARROW))  # fmt: skip
        inside = self.s.of[f"encoder.blocks.{heads[0].layers[0]}"]
        self.arrows.append(Arrow("blocks", "aux", inside, "tokens", dashed=True))
        self.boxes.append(Box("loss", "more losses", "in training only", "training", SIDE,
                              first.row + 2, NARROW))  # fmt: skip
        self.arrows.append(Arrow("aux", "loss", self.s.aux[0], "scores", dashed=True, plain=True))

    def pixels(self) -> None:
        s = self.s
        factor = s.padded[0] / s.scores[-2]
        detail = "to pixels" if s.padded == s.size else "to pixels; padding cut off"
        self.then("jump", f"bilinear × {factor:g}", detail, "pixels", s.logits, "scores")
        self.then("labels", "label map", f"best class of each pixel: {times(s.labels)}", "pixels",
                  s.labels, "labels")  # fmt: skip

    def drawing(self, title: str) -> Drawing:
        if self.main == MAIN and all(box.x == MAIN for box in self.boxes):
            self.width = NO_SIDE
        order = {box.key: box.row for box in self.boxes}
        arrows = sorted(self.arrows, key=lambda a: order[a.start])
        return Drawing(title, tuple(self.boxes), tuple(arrows), tuple(self.notes), self.width)
