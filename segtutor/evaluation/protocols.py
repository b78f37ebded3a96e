"""The two official ways of testing, as plain data: which copies of a photograph, which windows.

Implements  : Segmenter section 4.2 "Inference"; SETR section 4.1 "Multi-scale test"
Taught in   : chapter 14, Inference: windows, scales, flips
Official    : sizes as in data/resize.py; windows and strides are those of both repositories'
              configurations. Segmenter tests with these strides while it trains; its separate
              evaluation script took them too until the end of 2021 and since then takes "window
              minus 32". SETR's Naive and MLA stop at ratio 1 on ADE20K, PUP goes on to 1.75. The
              papers name the six ratios and nothing else.

How the size of a copy follows from the bounds:
- plain: long and short side are bounded, both bounds times the ratio (Segmenter; the single scale
  of either paper)
- head: SETR's rule since May 2021. The short side is its bound times the ratio, never below the
  window; the long side follows. On ADE20K the ratios 0.5, 0.75 and 1 give the same copy three times
- release: SETR's rule when the paper came out. From the window's size on, the short side becomes
  the *long* bound times the ratio: 2048 on ADE20K at ratio 1
Which of the two made SETR's published multi-scale numbers is written nowhere; the sentence in the
paper fits "head". Try both before calling a difference an error.

What happens to the copies stands in inference.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from segtutor.data.resize import BASES, CROPS, SETR_RULES, segmenter_size, setr_size
from segtutor.upsampling import Size

SIX = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
THREE = (0.75, 1.0, 1.25)  # of our own protocol
RULES = ("plain", *SETR_RULES)
KINDS = ("own", "segmenter", "setr")
STRIDES = {
    ("segmenter", "ade20k"): 512,
    ("segmenter", "pascal_context"): 320,
    ("segmenter", "cityscapes"): 512,
    ("setr", "ade20k"): 341,
    ("setr", "pascal_context"): 320,
    ("setr", "cityscapes"): 512,
}


@dataclass(frozen=True)
class Protocol:
    """How one photograph is tested.

    window, stride: (rows, columns) in pixels. bounds: of the long and the short side at ratio 1,
    None: the photograph's own size. ratios: one copy each. flip: and its mirror image. rule: how
    sizes come about, see above. enlarge: a copy smaller than the window is enlarged (Segmenter);
    otherwise it is an error (SETR's code cannot take it).
    """

    window: Size
    stride: Size
    bounds: tuple[int, int] | None = None
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

    def size(self, size: Size, ratio: float) -> Size:
        """(h, w) of the copy of a photograph of `size` (H, W) at one of the ratios, in pixels."""
        if self.bounds is None:
            return tuple(int(side * ratio + 0.5) for side in size)
        if self.rule == "plain":
            return segmenter_size(size, self.bounds, ratio)
        return setr_size(size, self.bounds, ratio, window=min(self.window), rule=self.rule)

    def describe(self) -> str:
        """The test in a sentence."""
        window, stride = ("x".join(map(str, pair)) for pair in (self.window, self.stride))
        if self.bounds is None:
            size = "photographs in their own size"
        elif self.rule == "plain":
            size = f"long side up to {self.bounds[0]}, short side up to {self.bounds[1]}"
        else:
            size = f"SETR's size rule {self.rule!r} on {self.bounds[0]}x{self.bounds[1]}"
        ratios = ", ".join(f"{ratio:g}" for ratio in self.ratios)
        scales = f"scales {ratios}" if len(self.ratios) > 1 else "one scale"
        flips = ", each with its mirror image" if self.flip else ""
        return f"Windows of {window}, stride {stride}; {size}; {scales}{flips}."

    def copies(self, size: Size, name: str = "the photograph") -> list[tuple[Size, bool]]:
        """((h, w), mirrored?) of every copy of a photograph of `size` (H, W).

        Raises ValueError, naming the photograph, for a copy that is smaller than the window where
        that is not allowed.
        """
        sizes = [self.size(size, ratio) for ratio in self.ratios]
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
    bounds, window, step = _entry("segmenter", data)
    if side is not None and side != window:
        bounds = tuple(bound * side // window for bound in bounds)
        window, step = side, step * side // window
    step = stride or step
    ratios = SIX if multi_scale else (1.0,)
    return Protocol((window, window), (step, step), bounds, ratios, flip=multi_scale)


def setr_protocol(
    data: str,
    *,
    rule: str | None = None,
    decoder: str = "pup",
    multi_scale: bool = False,
) -> Protocol:
    """SETR's test on "ade20k", "pascal_context" or "cityscapes".

    rule: "head" or "release", must be named for several scales. At a single one they differ on
    Pascal Context only: there None and "release" make the short side 520; "head" stops with an
    error in the official code, and what it would mean (long side 520) makes most photographs
    smaller than the window. decoder: decides how many ratios ADE20K gets.
    """
    if rule is None and multi_scale:
        raise ValueError(
            "SETR's code has had two rules for the sizes of several scales and the paper does not "
            "say which one it used: choose rule='head' (the repository today) or 'release' (when "
            "the paper came out)"
        )
    if rule not in (None, *SETR_RULES):
        raise ValueError(f"SETR's size rule is {rule!r}, expected 'head' or 'release'")
    if decoder not in ("naive", "pup", "mla"):
        raise ValueError(f"decoder is {decoder!r}, expected 'naive', 'pup' or 'mla'")
    bounds, window, step = _entry("setr", data)
    ratios = (1.0,)
    if multi_scale:
        ratios = SIX[:3] if data == "ade20k" and decoder != "pup" else SIX
    elif data == "pascal_context" and rule != "head":
        rule = "release"
    else:
        rule = "plain"
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
    Photographs smaller than the window are enlarged.
    """
    stride = stride or tuple(max(1, 2 * side // 3) for side in window)
    return Protocol(tuple(window), tuple(stride), None, tuple(ratios), flip)


def _entry(paper: str, data: str) -> tuple[tuple[int, int], int, int]:
    if data not in CROPS:
        raise ValueError(
            f"no published protocol for {data!r}; there are {', '.join(CROPS)}. For other data "
            "use own_protocol(window)"
        )
    return BASES[paper, data], CROPS[data][0], STRIDES[paper, data]


def protocol_for(
    config,
    data: str,
    *,
    kind: str | None = None,
    rule: str | None = None,
    multi_scale: bool = False,
    window: Size | None = None,
    stride: Size | None = None,
) -> Protocol:
    """The protocol for a model (its configuration) on a data set, by the names a user knows.

    data: key of data.check.READERS, or anything for data of your own. kind: "own", "segmenter" or
    "setr"; None: that of the model's family on the benchmarks, "own" elsewhere. window, stride:
    None takes the protocol's; "own" takes the window from the model's training.
    """
    data = data.removesuffix("_59")
    trained_on, family = getattr(config, "image", None), getattr(config, "family", None)
    kind = kind or (family if data in CROPS and family in KINDS else "own")
    if kind == "own":
        window = window or trained_on
        if window is None:
            raise ValueError("the model does not say what it was trained on: give a window")
        ratios = THREE if multi_scale else (1.0,)
        return own_protocol(window, stride=stride, ratios=ratios, flip=multi_scale)
    if kind == "segmenter":
        square = trained_on is not None and trained_on[0] == trained_on[1]
        side = trained_on[0] if square else None
        protocol = segmenter_protocol(data, multi_scale=multi_scale, side=side)
    elif kind == "setr":
        decoder = config.decoder if family == "setr" else "pup"
        protocol = setr_protocol(data, rule=rule, decoder=decoder, multi_scale=multi_scale)
    else:
        raise ValueError(f"unknown protocol {kind!r}; there are {', '.join(KINDS)}")
    window, stride = window or protocol.window, stride or protocol.stride
    return replace(protocol, window=tuple(window), stride=tuple(stride))
