"""The two official ways of testing, as plain data: which copies of a photograph, which windows.

Implements  : Segmenter section 4.2 "Inference"; SETR section 4.1 "Multi-scale test"
Taught in   : chapter 14, Inference: windows, scales, flips
Official    : bounds, windows and strides are those of both repositories' configurations. Segmenter
              tests with these strides while it trains; its separate evaluation script took them
              too until the end of 2021 and since then takes "window minus 32". SETR's Naive and MLA
              stop at ratio 1 on ADE20K, PUP goes on to 1.75. The papers name the six ratios and
              nothing else.

What happens to the copies stands in inference.py, their sizes in rescale.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from segtutor.evaluation.rescale import RULES, Bounds, copy_size
from segtutor.upsampling import Size

SIX = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)

# data set -> bounds of the long and the short side, window, stride
SEGMENTER = {
    "ade20k": ((2048, 512), 512, 512),
    "pascal_context": ((4160, 520), 480, 320),
    "cityscapes": ((2048, 1024), 768, 512),
}
SETR = {
    "ade20k": ((2048, 512), 512, 341),
    "pascal_context": ((520, 520), 480, 320),
    "cityscapes": ((2049, 1025), 768, 512),
}


@dataclass(frozen=True)
class Protocol:
    """How one photograph is tested.

    window, stride: (rows, columns) in pixels. bounds: of the long and the short side at ratio 1,
    None: the photograph's own size. ratios: one copy each. flip: and its mirror image. rule: how
    sizes come about, see rescale.py. enlarge: a copy smaller than the window is enlarged
    (Segmenter); otherwise it is an error (SETR's code cannot take it).
    """

    window: Size
    stride: Size
    bounds: Bounds | None = None
    ratios: tuple[float, ...] = (1.0,)
    flip: bool = False
    rule: str = "plain"
    enlarge: bool = True

    def __post_init__(self):
        if self.rule not in RULES:
            raise ValueError(f"unknown size rule {self.rule!r}; there are {', '.join(RULES)}")
        if not self.ratios or min(self.ratios) <= 0:
            raise ValueError(f"ratios is {self.ratios}, expected one or more numbers above 0")
        for side, step in zip(self.window, self.stride, strict=True):
            if not 1 <= step <= side:
                raise ValueError(
                    f"stride is {self.stride}, window {self.window}: each stride must be from 1 to "
                    "the window's side, or pixels are left out"
                )

    def copies(self, size: Size, name: str = "the photograph") -> list[tuple[Size, bool]]:
        """((h, w), mirrored?) of every copy of a photograph of `size` (H, W).

        Raises ValueError, naming the photograph, for a copy that is smaller than the window where
        that is not allowed.
        """
        sizes = [
            copy_size(size, self.bounds, ratio, rule=self.rule, window=min(self.window))
            for ratio in self.ratios
        ]
        for ratio, (h, w) in zip(self.ratios, sizes, strict=True):
            if min(h, w) < 1:
                raise ValueError(
                    f"{name} ({size[0]}x{size[1]} pixels) has nothing left at ratio {ratio}"
                )
            if not self.enlarge and (h < self.window[0] or w < self.window[1]):
                raise ValueError(
                    f"{name} ({size[0]}x{size[1]} pixels) becomes {h}x{w} at ratio {ratio}, "
                    f"smaller than the window of {self.window[0]}x{self.window[1]}: SETR's "
                    "protocol has no answer to that. Use enlarge=True, as Segmenter does, or a "
                    "size rule that keeps the short side up (rule='head' or 'release')"
                )
        return [(s, mirrored) for s in sizes for mirrored in ((False, True)[: 1 + self.flip])]


def segmenter_protocol(
    data: str, *, multi_scale: bool = False, side: int | None = None, stride: int | None = None
) -> Protocol:
    """Segmenter's test on "ade20k", "pascal_context" or "cityscapes".

    multi_scale: six ratios, each with its mirror image. side: of the training crop where it is not
    the data set's usual one (640 for Seg-L-Mask on ADE20K): bounds, window and stride grow with it.
    stride: None takes the configuration's; later evaluation scripts take `window - 32`.
    """
    bounds, window, step = _entry(SEGMENTER, data)
    if side is not None and side != window:
        bounds = tuple(bound * side // window for bound in bounds)
        window, step = side, step * side // window
    step = stride or step
    ratios = SIX if multi_scale else (1.0,)
    return Protocol((window, window), (step, step), bounds, ratios, flip=multi_scale)


def setr_protocol(
    data: str, *, rule: str, decoder: str = "pup", multi_scale: bool = False
) -> Protocol:
    """SETR's test on "ade20k", "pascal_context" or "cityscapes".

    rule: "head" or "release". They differ for several scales, and for Pascal Context also at a
    single one: there "release" makes the short side 520; "head" stops with an error in the official
    code, and what it would mean (long side 520) makes most photographs smaller than the window.
    decoder: decides how many ratios ADE20K gets.
    """
    if rule not in ("head", "release"):
        raise ValueError(f"SETR's size rule is {rule!r}, expected 'head' or 'release'")
    if decoder not in ("naive", "pup", "mla"):
        raise ValueError(f"decoder is {decoder!r}, expected 'naive', 'pup' or 'mla'")
    bounds, window, step = _entry(SETR, data)
    short_ratios = data == "ade20k" and decoder != "pup"
    if multi_scale:
        ratios = SIX[:3] if short_ratios else SIX
    else:
        ratios = (1.0,)
        rule = "release" if (data, rule) == ("pascal_context", "release") else "plain"
    return Protocol(
        (window, window), (step, step), bounds, ratios, multi_scale, rule, enlarge=False
    )


def own_protocol(
    window: Size,
    *,
    stride: Size | None = None,
    ratios: tuple[float, ...] = (1.0,),
    flip: bool = False,
) -> Protocol:
    """For data that no paper tested on: photographs in their own size, windows as large as the
    training crops, moved on by two thirds of their side (as SETR does) if `stride` is None.
    """
    stride = stride or tuple(max(1, 2 * side // 3) for side in window)
    return Protocol(tuple(window), tuple(stride), None, tuple(ratios), flip)


def _entry(table: dict, data: str) -> tuple[Bounds, int, int]:
    if data not in table:
        raise ValueError(
            f"no published protocol for {data!r}; there are {', '.join(table)}. For other data "
            "use own_protocol(window)"
        )
    return table[data]
