"""Models side by side: error maps, the window that is enlarged, figure and words."""

import matplotlib.pyplot as plt
import pytest
import torch

from segtutor.insight.comparison import (
    BORDER,
    INSIDE,
    RIGHT,
    UNKNOWN,
    Window,
    border_window,
    busiest_window,
    comparison_alt,
    comparison_figure,
    error_map,
)

CLASSES = ("road", "sky", "car", "never")
PALETTE = ((200, 0, 0), (0, 0, 200), (0, 200, 0), (9, 9, 9))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def scene():
    """Sky above road, a border between rows 9 and 10; one model errs there, one far from it."""
    truth = torch.zeros(20, 30, dtype=torch.uint8)
    truth[:10] = 1
    truth[:, 29] = 255
    near, far = truth.long(), truth.long()
    near[near == 255], far[far == 255] = 0, 0
    near[10, 2:6] = 1
    far[18:, 20:22] = 2
    return torch.rand(3, 20, 30), truth, near, far


def test_error_map_against_a_loop():
    truth = torch.randint(0, 3, (9, 11))
    truth[4, 4:7] = 255
    guess = torch.randint(0, 3, (9, 11))
    found = error_map(guess, truth, reach=2)
    for r in range(9):
        for c in range(11):
            around = truth[max(0, r - 2) : r + 3, max(0, c - 2) : c + 3]
            if truth[r, c] == 255:
                wanted = UNKNOWN
            elif guess[r, c] == truth[r, c]:
                wanted = RIGHT
            else:
                wanted = BORDER if len(around.unique()) > 1 else INSIDE
            assert found[r, c] == wanted, (r, c)


def test_busiest_window_against_a_loop():
    weight = (torch.rand(8, 13) > 0.7).float()
    sums = {
        (r, c): float(weight[r : r + 3, c : c + 4].sum())
        for r in range(8 - 3 + 1)
        for c in range(13 - 4 + 1)
    }
    best = max(sums.values())
    first = min(place for place, value in sums.items() if value == best)
    assert busiest_window(weight, (3, 4)) == Window(*first, 3, 4)
    assert busiest_window(weight, (99, 99)) == Window(0, 0, 8, 13)  # no larger than the picture


def test_the_window_goes_where_borders_are_wrong():
    _, truth, near, far = scene()
    window = border_window([near, far], truth, size=(4, 6), reach=2)
    assert window.top <= 10 < window.top + 4 and window.left <= 2 and window.left + 6 >= 6
    # without truth: where the models disagree; without disagreement: where a border is
    disagree = border_window([torch.zeros_like(far), torch.where(far == 2, 2, 0)], size=(4, 6))
    assert disagree.top <= 18 < disagree.top + 4 and disagree.left <= 20 < disagree.left + 6
    alone = border_window([truth[:, :29]], size=(2, 6))
    assert alone.top == 9


def test_the_figure_has_a_row_for_each_question_and_names_what_occurs():
    image, truth, near, far = scene()
    figure = comparison_figure(image, {"a": near, "b": far}, CLASSES, PALETTE, truth=truth)
    assert len(figure.axes) == 3 * 4
    assert [a.get_title() for a in figure.axes[:4]] == ["photograph", "truth", "a", "b"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["road", "sky", "car"]
    window = border_window([near, far], truth)
    for axis in figure.axes[4:8]:
        assert axis.images[0].get_array().shape[:2] == window[2:]
    assert [a.get_xlabel() for a in figure.axes[10:]] == ["99 % right", "99 % right"]
    colours = figure.axes[10].images[0].get_array()  # of a's mistakes
    border = torch.tensor(plt.matplotlib.colors.to_rgb("#0072B2")).double()
    painted = (torch.tensor(colours) - border).abs().sum(-1) < 1e-6
    assert painted.sum() == 4 and painted[10, 2:6].all()
    plain = comparison_figure(image, {"a": near}, CLASSES, PALETTE)
    assert len(plain.axes) == 2 * 2
    assert [t.get_text() for t in plain.legends[0].get_texts()] == ["road", "sky"]


def test_the_words_hold_the_numbers():
    _, truth, near, far = scene()
    text = comparison_alt({"a": near, "b": far}, CLASSES, truth=truth, reach=2)
    assert "a is right at 99 % of the labelled pixels, and 100 % of its mistakes" in text
    assert "b is right at 99 % of the labelled pixels, and 0 % of its mistakes" in text
    assert text.endswith("Classes: road, sky, car.")
    text = comparison_alt({"a": near, "b": far}, CLASSES)
    assert "b and a differ at 1 % of the pixels." in text


def test_mistakes_are_explained():
    image, truth, near, _ = scene()
    with pytest.raises(ValueError, match="no prediction to show"):
        comparison_figure(image, {}, CLASSES, PALETTE)
    with pytest.raises(ValueError, match=r"'a' is \(20, 29\) pixels, the photograph \(20, 30\)"):
        comparison_figure(image, {"a": near[:, :29]}, CLASSES, PALETTE)
    with pytest.raises(ValueError, match="predict at the photograph's own size"):
        error_map(near[:5], truth)
