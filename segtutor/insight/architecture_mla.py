"""The part of the drawing that is SETR-MLA's alone: four depths, sums, four streams side by side.

Implements  : our own drawing for SETR figure 1 (c)
Taught in   : chapter 07, Multi-level aggregation: SETR-MLA

The encoder comes down like a staircase, one step a level, so that each level has a column of its
own and deeper means further right.
"""

from __future__ import annotations

from segtutor.insight.architecture_parts import Flow
from segtutor.insight.drawing import Arrow, Box, times
from segtutor.models import SegmentationModel

LEFT, SPAN = 0.42, 4.5  # of the columns, inches


def levels(flow: Flow, model: SegmentationModel) -> None:
    """Adds encoder, neck and decoder to a `Flow` that has come as far as tokens with positions."""
    of, taps = flow.s.of, model.neck.layers
    count, depth = len(taps), model.encoder.depth
    pitch = SPAN / count
    columns = [LEFT + pitch * (i + 0.5) for i in range(count)]
    width = min(0.96, 0.86 * pitch)
    flow.width = LEFT + SPAN + 0.4
    plain = dict(plain=True)

    def place(key, title, detail, group, i, row, kind="box", copies=1) -> str:
        flow.boxes.append(Box(f"{key}{i}", title, detail, group, columns[i], row, width,
                              copies, kind))  # fmt: skip
        return f"{key}{i}"

    def arrow(start, end, shape, kind="map", **options) -> None:
        flow.arrows.append(Arrow(start, end, tuple(shape), kind, **{**plain, **options}))

    top, begin = flow.row, 0
    flow.notes.append(f"Each layer: {flow.block_words()}.")
    for i, tap in enumerate(taps):  # the staircase
        words = f"layers {begin + 1}–{tap + 1}" if tap > begin else f"layer {tap + 1}"
        here = place("blocks", words, "", "encoder", i, top + i, copies=tap + 1 - begin)
        before = of["encoder.pos_embed"] if i == 0 else of[f"encoder.blocks.{taps[i - 1]}"]
        start = flow.last if i == 0 else f"blocks{i - 1}"
        arrow(start, here, before, "tokens")
        begin = tap + 1
    if begin < depth:
        flow.notes.append(f"Layers {begin + 1}–{depth} run, and nothing reads them.")
    base = top + count
    for i, tap in enumerate(taps):
        reduced, smooth = of[f"neck.reduce.{i}"], of[f"neck.smooth.{i}"]
        place("reduce", "1×1 conv", "after a norm", "neck", i, base)
        arrow(f"blocks{i}", f"reduce{i}", of[f"encoder.blocks.{tap}"], "tokens")
        place("sum", "sum", "", "neck", i, base + 1, "sum")
        arrow(f"reduce{i}", f"sum{i}", reduced)
        place("smooth", "3×3 conv", "", "neck", i, base + 2)
        arrow(f"sum{i}", f"smooth{i}", reduced)
        scale = of[f"decoder.streams.{i}"][-1] // smooth[-1]
        place("stream", "3×3, 3×3", f"bilinear × {scale}", "decoder", i, base + 3)
        arrow(f"smooth{i}", f"stream{i}", smooth)
        arrow(f"stream{i}", "joined", of[f"decoder.streams.{i}"])
    for i in reversed(range(count - 1)):
        arrow(f"sum{i + 1}", f"sum{i}", of[f"neck.reduce.{i + 1}"])
    middle = LEFT + SPAN / 2
    flow.boxes.append(Box("joined", "join the levels", "channels side by side", "decoder", middle,
                          base + 4, SPAN - 0.2))  # fmt: skip
    flow.main, flow.row, flow.last = middle, base + 5, "joined"
    flow.leaving = dict(shape=of["decoder.joined"], kind="map", extra=0)
    flow.then("classify", "3×3 conv", "to classes", "decoder", of["decoder"], "scores")
    if flow.s.aux:
        flow.notes.append(
            f"In training, {len(flow.s.aux)} auxiliary heads read the neck's maps: "
            f"{times(flow.s.aux[0])} scores."
        )
