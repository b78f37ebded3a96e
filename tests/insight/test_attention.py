"""Rows of attention matrices as maps: the right row, the right place, errors with their range."""

import matplotlib.pyplot as plt
import pytest
import torch

from segtutor.insight import (
    attention_alt,
    attention_grid,
    attention_of_class,
    attention_of_token,
    chosen,
    grid_alt,
)
from segtutor.insight.attention import patch_words, patches_for_half

GRID = (2, 3)


def soft(*shape):
    return torch.randn(*shape).softmax(-1)


def test_one_matrix_of_many():
    attention = soft(4, 2, 7, 7)
    assert torch.equal(chosen(attention, 3, 1), attention[3, 1])
    torch.testing.assert_close(chosen(attention, 0), (attention[0, 0] + attention[0, 1]) / 2)


@pytest.mark.parametrize(
    ("layer", "head", "message"),
    [
        (4, 0, r"no layer 4: the model has 4, counted 0..3"),
        (-1, 0, r"no layer -1"),
        (0, 2, r"no head 2: a layer has 2, 0..1, or 'mean'"),
        (0, "best", r"no head 'best'"),
    ],
)
def test_layer_and_head_out_of_range(layer, head, message):
    with pytest.raises(ValueError, match=message):
        chosen(soft(4, 2, 7, 7), layer, head)


def test_what_the_extra_tokens_look_at():
    weights = soft(2, 2 + 6, 2 + 6)
    maps = attention_of_token(weights, GRID, "dist", extra=2)
    for a in range(2):
        for r in range(2):
            for c in range(3):
                assert maps[a, r, c] == weights[a, 1, 2 + 3 * r + c]
    assert attention_of_token(weights, GRID, extra=2)[0, 0, 1] == weights[0, 0, 3]
    with pytest.raises(ValueError, match="no token 'dist': this model has cls"):
        attention_of_token(soft(2, 7, 7), GRID, "dist", extra=1)
    with pytest.raises(ValueError, match="no token 'cls': this model has no such token"):
        attention_of_token(soft(2, 6, 6), GRID, "cls", extra=0)
    with pytest.raises(ValueError, match="does not fit 1 extra tokens and a 2x3 grid"):
        attention_of_token(weights, GRID, "cls", extra=1)


def test_what_a_class_looks_at():
    weights = soft(2, 6 + 4, 6 + 4)  # patches first, then 4 classes
    maps = attention_of_class(weights, GRID, 2)
    assert maps[1, 1, 0] == weights[1, 6 + 2, 3]
    with pytest.raises(ValueError, match=r"no class 4: the model has 4, 0..3"):
        attention_of_class(weights, GRID, 4)
    with pytest.raises(ValueError, match="over 6 tokens holds no classes"):
        attention_of_class(weights[:, :6, :6], GRID, 0)


def test_spread_is_counted_in_patches():
    assert patches_for_half(torch.tensor([[0.7, 0.1], [0.1, 0.1]])) == 1
    assert patches_for_half(torch.full((4, 5), 0.05)) == 10
    assert patches_for_half(torch.zeros(2, 2)) == 0


def test_words_say_where_and_how_wide():
    map_ = torch.tensor([[0.1, 0.1, 0.1], [0.1, 0.1, 0.5]])
    text = attention_alt({"layer 1": map_, "layer 2": torch.ones(2, 3)}, patch_words((0, 0)))
    assert "2 attention maps of patch row 1, column 1" in text
    assert "layer 1: heaviest at row 2, column 3, half of the weight on 1 of 6 patches" in text
    assert "layer 2: heaviest at row 1, column 1, half of the weight on 3 of 6 patches" in text
    table = torch.stack([torch.stack([map_, torch.ones(2, 3)]), torch.ones(2, 2, 3)])
    text = grid_alt(table, ["layer 1", "layer 2"], ["head 1", "head 2"])
    assert "of 6: layer 1: 1 to 3; layer 2: 3." in text


def test_a_table_of_maps_is_drawn():
    image = torch.rand(3, 16, 24)
    figure = attention_grid(
        image, torch.rand(2, 3, *GRID), ["layer 1", "$5"], ["a", "b", "<b>"], [(0, 0), None, (1, 2)]
    )
    figure.canvas.draw()
    assert len(figure.axes) == 6
    assert [len(axis.patches) for axis in figure.axes] == [2, 0, 2] * 2
    outline = figure.axes[2].patches[0]
    assert (outline.get_x(), outline.get_y()) == (16, 8) and outline.get_width() == 8
    with pytest.raises(ValueError, match="2x3 maps, but 1 row and 3 column"):
        attention_grid(image, torch.rand(2, 3, *GRID), ["x"], ["a", "b", "c"])
    with pytest.raises(ValueError, match="2 points for 3 columns"):
        attention_grid(image, torch.rand(1, 3, *GRID), ["x"], ["a", "b", "c"], [(0, 0)] * 2)
    plt.close("all")
