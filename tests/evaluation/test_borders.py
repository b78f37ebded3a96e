"""Accuracy near borders: worked examples, and the same counts as a loop over pixels."""

import pytest
import torch

from segtutor.evaluation import ByBorder
from segtutor.evaluation.borders import near_border


def near_by_loop(label, reach):
    H, W = label.shape
    out = torch.zeros(H, W, dtype=torch.bool)
    for r in range(H):
        for c in range(W):
            square = label[max(0, r - reach) : r + reach + 1, max(0, c - reach) : c + reach + 1]
            out[r, c] = bool((square != label[r, c]).any())
    return out


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_a_pixel_is_near_if_its_square_holds_another_label(reach):
    label = torch.zeros(9, 14, dtype=torch.uint8)
    label[:, 6:] = 3
    label[4, 12] = 255
    assert torch.equal(near_border(label, reach), near_by_loop(label, reach))
    random = torch.randint(0, 2, (7, 11)).repeat_interleave(2, 0).repeat_interleave(3, 1)
    assert torch.equal(near_border(random, reach), near_by_loop(random, reach))


def test_a_straight_border_has_a_band_on_either_side():
    label = torch.zeros(6, 10, dtype=torch.long)
    label[:, 5:] = 1
    assert near_border(label, 2)[0].tolist() == [False] * 3 + [True] * 4 + [False] * 3
    assert not near_border(torch.full((5, 7), 2), 3).any(), "one class alone has no border"


def test_worked_example():
    """Two halves of 6x10, reach 1: 12 pixels near, 48 inside. Three mistakes near, six inside."""
    label = torch.zeros(6, 10, dtype=torch.long)
    label[:, 5:] = 1
    guess = label.clone()
    guess[:3, 5] = 0
    guess[:, 9] = 0
    score = ByBorder(classes=2, reach=1)
    score.update(guess, label)
    result = score.result()
    assert result["border_accuracy"] == pytest.approx(9 / 12)
    assert result["inside_accuracy"] == pytest.approx(42 / 48)
    assert result["accuracy"] == pytest.approx(51 / 60)
    assert result["miou"] == pytest.approx((30 / 39 + 21 / 30) / 2)


def test_ignored_pixels_make_a_border_and_do_not_count():
    label = torch.zeros(5, 9, dtype=torch.long)
    label[:, 4] = 255
    score = ByBorder(classes=2, reach=1)
    score.update(torch.zeros(5, 9, dtype=torch.long), label)
    assert int(score.near.matrix.sum()) == 10 and int(score.inside.matrix.sum()) == 30
    assert torch.equal(score.whole.matrix, score.near.matrix + score.inside.matrix)


def test_images_add_up_and_the_whole_is_mean_iou():
    from segtutor.evaluation import MeanIoU

    both, plain = ByBorder(3, reach=2), MeanIoU(3)
    for _ in range(3):
        label = torch.randint(0, 3, (4, 6)).repeat_interleave(3, 0).repeat_interleave(2, 1)
        guess = torch.randint(0, 3, (12, 12))
        both.update(guess, label)
        plain.update(guess, label)
    assert torch.equal(both.whole.matrix, plain.matrix)
    assert both.result()["miou"] == plain.result()["miou"]
