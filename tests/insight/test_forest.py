"""Forest plots: marks say the word, groups stand together, far bars are cut, the text is true."""

import matplotlib.pyplot as plt
import pytest

from segtutor.insight.forest import WORDS, Effect, forest_alt, forest_figure

TELL, NOT = "cannot be told at this scale", "not measured"
EFFECTS = [
    Effect("PUP over Naive", 1.25, 0.4, 2.1, "holds", "SETR"),
    Effect("patches over ResNet", -2.0, -3.0, -1.0, "reversed", "SETR"),
    Effect("mask over linear", 0.5, -0.5, 1.5, TELL, "Segmenter"),
    Effect("a single seed", 0.3, None, None, TELL, "SETR"),
    Effect("never run", None, None, None, NOT, "Segmenter"),
]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def bars(axis):
    return [
        line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"
    ]


def marks(axis):
    """{difference: (marker, filled)} of the drawn marks, arrows left out."""
    return {
        float(line.get_xdata()[0]): (line.get_marker(), line.get_markerfacecolor() != "white")
        for line in axis.lines
        if len(line.get_xdata()) == 1 and line.get_marker() not in "<>"
    }


def test_marks_and_bars_are_the_numbers():
    (axis,) = forest_figure(EFFECTS).axes
    assert marks(axis) == {
        1.25: ("o", True), -2.0: ("D", True), 0.5: ("s", False), 0.3: ("s", False)
    }  # fmt: skip
    drawn = sorted(tuple(bar.get_xdata()) for bar in bars(axis) if tuple(bar.get_xdata()) != (0, 0))
    assert drawn == [(-3.0, -1.0), (-0.5, 1.5), (0.4, 2.1)]


def test_markers_differ_and_not_only_by_colour():
    looks = [(marker, filled) for marker, _, filled in WORDS.values()]
    assert len(set(looks)) == len(looks)
    figure = forest_figure(EFFECTS)
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["holds", "reversed", TELL]


def test_groups_stand_together_under_their_heading():
    (axis,) = forest_figure(EFFECTS).axes
    texts = sorted(
        (t for t in axis.texts if t.get_ha() == "right"), key=lambda t: t.get_position()[1]
    )
    assert [t.get_text() for t in texts] == [
        "SETR", "PUP over Naive", "patches over ResNet", "a single seed",
        "Segmenter", "mask over linear", "never run",
    ]  # fmt: skip
    beside = [t.get_text() for t in axis.texts if t.get_ha() == "left"]
    assert beside == [
        "+1.2 (+0.4 to +2.1)",
        "-2.0 (-3.0 to -1.0)",
        "+0.3",
        "+0.5 (-0.5 to +1.5)",
        NOT,
    ]


def test_what_lies_far_out_is_cut_with_an_arrow():
    usual = [Effect(f"e{i}", 0.0, -1.0, 1.0, TELL) for i in range(5)]
    (axis,) = forest_figure([*usual, Effect("far", 20.0, 2.0, 38.0, "holds")]).axes
    low, high = axis.get_xlim()
    assert (low, high) == pytest.approx((-3.24, 3.24))
    arrows = [line for line in axis.lines if line.get_marker() == ">"]
    assert len(arrows) == 1 and 20.0 not in marks(axis)
    assert "+20.0 (+2.0 to +38.0)" in [t.get_text() for t in axis.texts]


def test_nothing_runs_over_the_edge_or_over_its_neighbour():
    long = [Effect("Does SETR-MLA do better than Semantic FPN with ResNet-101, and so on?",
                   -11.25, -13.0, -10.5, "reversed", "Table") for _ in range(4)]  # fmt: skip
    figure = forest_figure(long)
    figure.canvas.draw()
    width = figure.bbox.width
    boxes = [t.get_window_extent() for t in figure.axes[0].texts]
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)
    for i, a in enumerate(boxes):
        assert not any(a.overlaps(b) for b in boxes[:i])


def test_an_empty_ledger_still_gives_a_figure():
    (axis,) = forest_figure([Effect("a", None, None, None, NOT), EFFECTS[4]]).axes
    assert marks(axis) == {} and axis.get_xlim()[0] < 0 < axis.get_xlim()[1]
    assert forest_alt([EFFECTS[4]]).endswith("1 not measured.")


def test_the_words_hold_the_numbers():
    text = forest_alt(EFFECTS)
    assert "5 comparisons" in text and "1 holds: PUP over Naive +1.2 (+0.4 to +2.1)" in text
    assert "1 reversed: patches over ResNet -2.0" in text and f"2 {TELL};" in text
    assert "The largest difference is -2.0 (-3.0 to -1.0), patches over ResNet." in text


def test_bad_input_is_named():
    with pytest.raises(
        ValueError, match="PUP: the word is 'wins', expected one of holds, reversed"
    ):
        Effect("PUP", 1.0, 0.5, 1.5, "wins")
    for call in (forest_figure, forest_alt):
        with pytest.raises(ValueError, match="no effect to draw"):
            call([])
    assert Effect("one seed", 1.0, float("nan"), float("nan"), TELL).low is None


def test_a_second_decimal_says_on_which_side_of_zero():
    assert Effect("x", 0.226, 0.041, 0.411, "holds").numbers == "+0.23 (+0.04 to +0.41)"
    assert Effect("x", 0.226, -0.049, 0.411, TELL).numbers == "+0.23 (-0.05 to +0.41)"
    assert Effect("x", 0.0, -0.4, 0.4, TELL).numbers == "+0.0 (-0.4 to +0.4)"
