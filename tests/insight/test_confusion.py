"""The confusion matrix as picture and sentence."""

import pytest
import torch

from segtutor.insight import confused_pairs, confusion_alt, confusion_figure
from segtutor.insight.confusion import confusion_shares

CLASSES = ("road", "car", "pole", "never")
MATRIX = torch.tensor([[90, 10, 0, 0], [0, 8, 2, 0], [30, 0, 10, 0], [0, 0, 0, 0]])


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_shares_are_of_the_truth():
    shares = confusion_shares(MATRIX)
    assert shares[0].tolist() == [0.9, 0.1, 0, 0] and shares[3].isnan().all()


def test_commonest_mistakes_first():
    assert confused_pairs(MATRIX, 2) == [(2, 0, 0.75), (1, 2, 0.2)]
    assert confused_pairs(torch.eye(3)) == []


def test_the_figure_shows_every_cell_and_its_number():
    axis = confusion_figure(MATRIX, CLASSES).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == list(CLASSES)
    cells = {t.get_position()[::-1]: t.get_text() for t in axis.texts}
    assert cells == {
        (0, 0): "90", (0, 1): "10", (1, 1): "80", (1, 2): "20", (2, 0): "75", (2, 2): "25",
    }  # fmt: skip
    drawn = axis.images[0].get_array()
    assert drawn[2, 0] == 0.75 and drawn.mask[3].all()
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("answer", "truth")


def test_of_many_classes_the_most_mistaken_are_shown():
    axis = confusion_figure(MATRIX, CLASSES, only=2).axes[0]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["road", "pole"]
    big = confusion_figure(torch.ones(40, 40), [str(i) for i in range(40)]).axes[0]
    assert not big.texts  # too small for numbers


def test_the_sentence_says_what_is_seen():
    text = confusion_alt(MATRIX, CLASSES, 1)
    assert "road is found best (90 % of its pixels), pole worst (25 %)" in text
    assert text.endswith("Most often taken for something else: pole for road (75 %).")
    assert "empty" in confusion_alt(torch.zeros(2, 2), ("a", "b"))


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match="3 class names for a matrix of 4"):
        confusion_figure(MATRIX, CLASSES[:3])
    with pytest.raises(ValueError, match=r"shape \(2, 3\), expected \(K, K\)"):
        confused_pairs(torch.zeros(2, 3))
