"""Drawings of models: every shape is one that the model really makes."""

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from segtutor.insight.architecture import architecture, architecture_alt, shapes_of
from segtutor.insight.drawing import draw
from segtutor.models import segmenter_linear, segmenter_mask, setr_mla, setr_naive, setr_pup

SMALL = dict(size=(24, 4, 2), patch=8, image=(32, 48))
MODELS = {
    "linear": lambda: segmenter_linear(5, **SMALL),
    "mask": lambda: segmenter_mask(5, decoder_width=12, decoder_heads=3, **SMALL),
    "naive": lambda: setr_naive(5, hidden=10, aux_layers=(1, 2), **SMALL),
    "pup": lambda: setr_pup(5, hidden=10, aux_layers=(0,), **SMALL),
    "mla": lambda: setr_mla(5, hidden=10, head_hidden=6, aux_layers=(0, 1, 2, 3), **SMALL),
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("kind", MODELS)
def test_shapes_are_those_of_a_real_pass(kind):
    model = MODELS[kind]().eval()
    found = shapes_of(model, (32, 48))
    seen = {}
    for name, module in model.named_modules():

        def note(module, inputs, output, name=name):
            if isinstance(output, torch.Tensor):
                seen[name] = tuple(output.shape[1:])

        module.register_forward_hook(note)
    with torch.no_grad():
        model.coarse(torch.rand(1, 3, 32, 48), aux=True)
    fused = {n for n in seen if n.endswith(".attn")}  # of these, `capture` shows the weights
    assert {n: s for n, s in found.of.items() if n in seen and n not in fused} == {
        n: s for n, s in seen.items() if n not in fused
    }
    assert found.of["encoder.blocks.0.attn"] == (
        2,
        24 + model.encoder.extra,
        24 + model.encoder.extra,
    )
    assert not any(p.is_meta for p in model.parameters())  # the model itself is as it was


WANTED = {  # kind -> some (start, end, shape) that must be in the drawing
    "linear": [("patch", "position", (24, 24)), ("blocks", "norm", (25, 24)),
               ("linear", "grid", (24, 5)), ("grid", "jump", (5, 4, 6))],
    "mask": [("enter", "mixing", (24, 12)), ("classes", "mixing", (5, 12)),
             ("mixing", "patches", (24, 12)), ("product", "cnorm", (24, 5)),
             ("vectors", "product", (5, 12)), ("grid", "jump", (5, 4, 6))],
    "naive": [("blocks", "dnorm", (25, 24)), ("dnorm", "mix", (24, 24)),
              ("mix", "classify", (10, 4, 6)), ("blocks", "aux", (25, 24)),
              ("aux", "loss", (5, 4, 6))],
    "pup": [("stage0", "stage1", (10, 8, 12)), ("stage2", "stage3", (10, 32, 48)),
            ("classify", "jump", (5, 32, 48)), ("aux", "loss", (5, 16, 24))],
    "mla": [("blocks1", "blocks2", (24, 24)), ("blocks3", "reduce3", (24, 24)),
            ("reduce0", "sum0", (10, 4, 6)), ("sum3", "sum2", (10, 4, 6)),
            ("stream1", "joined", (6, 16, 24)), ("joined", "classify", (24, 16, 24))],
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
def test_arrows_carry_the_shapes(kind):
    drawing = architecture(MODELS[kind]())
    arrows = {(a.start, a.end): a.shape for a in drawing.arrows}
    for start, end, shape in WANTED[kind]:
        assert arrows[start, end] == shape, (start, end)
    assert arrows["image", "patch"] == (3, 32, 48) and arrows["jump", "labels"] == (5, 32, 48)
    keys = {box.key for box in drawing.boxes}
    assert all(a.start in keys and a.end in keys for a in drawing.arrows)
    reached = {a.end for a in drawing.arrows}
    assert keys - reached == {"image"} | ({"classes"} if kind == "mask" else set())


@pytest.mark.parametrize("kind", MODELS)
def test_every_arrow_is_labelled_and_nothing_overlaps(kind):
    figure = draw(architecture(MODELS[kind]()))
    drawing = architecture(MODELS[kind]())
    axis, renderer = figure.axes[0], figure.canvas.get_renderer()
    words = [t for t in axis.texts if t.get_text()]
    for arrow in drawing.arrows:
        text = "×".join(map(str, arrow.shape))
        assert any(text in t.get_text().replace(" ", "") for t in words), arrow
    places = [t.get_window_extent(renderer).padded(-2) for t in words]
    for i, a in enumerate(places):
        assert a.x0 >= 0 and a.x1 <= figure.bbox.width, words[i].get_text()
        for j in range(i):
            assert not a.overlaps(places[j]), (words[i].get_text(), words[j].get_text())


def test_another_model_gives_another_drawing():
    small, large = (architecture(segmenter_linear(5, (24, 4, 2), patch=p, image=(32, 48)))
                    for p in (8, 16))  # fmt: skip
    assert architecture_alt(small) != architecture_alt(large)
    assert "add positions: 6 × 24 tokens" in architecture_alt(large)
    model = segmenter_linear(5, **SMALL)
    model.decoder = Own(24, 5)
    drawing = architecture(model)
    assert [b.title for b in drawing.boxes if b.group == "decoder"] == ["Own"]
    assert "Own to bilinear × 8: 5 × 4 × 6 scores" in architecture_alt(drawing)


def test_a_decoder_of_ones_own_behind_the_papers_neck():
    model = setr_mla(5, hidden=10, head_hidden=6, aux_layers=(0, 1), **SMALL)
    model.decoder = OnMaps(10, 5)
    drawing = architecture(model)
    arrows = {(a.start, a.end): a.shape for a in drawing.arrows}
    assert arrows["blocks", "neck"] == (24, 24) and arrows["neck", "decoder"] == (10, 4, 6)
    assert drawing.notes == ("In training, 2 auxiliary heads: 5 × 4 × 6 scores.",)
    one = architecture(setr_mla(5, hidden=10, head_hidden=6, taps=(3,), **SMALL))
    assert max(b.x + b.width / 2 for b in one.boxes) < one.width


class OnMaps(nn.Conv2d):
    """Reads the first of the neck's maps."""

    layers = ()

    def __init__(self, width, classes):
        super().__init__(width, classes, 1)

    def forward(self, maps):
        return super().forward(maps[0])


class Own(nn.Module):
    """A decoder that no paper knows."""

    layers = ()

    def __init__(self, width, classes):
        super().__init__()
        self.line = nn.Linear(width, classes)

    def forward(self, encoded):
        h, w = encoded.grid
        return self.line(encoded.patches()).transpose(1, 2).unflatten(2, (h, w))


def test_padding_and_other_sizes_are_drawn():
    drawing = architecture(segmenter_linear(5, **SMALL), (30, 41))
    arrows = {(a.start, a.end): a.shape for a in drawing.arrows}
    assert arrows["image", "pad"] == (3, 30, 41) and arrows["pad", "patch"] == (3, 32, 48)
    assert arrows["jump", "labels"] == (5, 30, 41)
    assert "padding cut off" in next(b.detail for b in drawing.boxes if b.key == "jump")


def test_layers_behind_the_last_level_are_mentioned():
    drawing = architecture(setr_mla(5, hidden=4, head_hidden=4, taps=(0, 2), **SMALL))
    assert [b.title for b in drawing.boxes if b.key.startswith("blocks")] == [
        "layer 1", "layers 2–3"
    ]  # fmt: skip
    assert "Layers 4–4 run, and nothing reads them." in drawing.notes
    assert "Layers 4–4" in architecture_alt(drawing)


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match="an encoder alone"):
        architecture(segmenter_linear(5, **SMALL).encoder)
    with pytest.raises(ValueError, match="smaller than one patch"):
        architecture(segmenter_linear(5, **SMALL), (4, 4))
    model = segmenter_linear(5, **SMALL)
    model.config = None
    with pytest.raises(ValueError, match=r"give size=\(H, W\)"):
        architecture(model)
    model.encoder = nn.Conv2d(3, 24, 8, stride=8)
    with pytest.raises(ValueError, match="the encoder is a Conv2d.* begin with a transformer"):
        architecture(model)
