"""Prediction tile by tile, with the classes that can win, is prediction."""

import pytest
import torch
import torch.nn.functional as F

from segtutor.upsampling import (
    Coarse,
    can_win,
    predict_from_coarse,
    predict_from_windows,
    upsample,
)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("source,padded,size", [
    ((4, 5), (64, 80), (61, 70)),
    ((1, 3), (16, 48), (16, 48)),
    ((30, 40), (60, 80), (57, 80)),
    ((8, 8), (50, 70), (50, 70)),
])  # fmt: skip
@pytest.mark.parametrize("tile", [16, 33, 1000])
def test_tiles_give_the_labels_of_the_whole(source, padded, size, align_corners, tile):
    scores = torch.randn(2, 20, *source, dtype=torch.float64)
    coarse = Coarse(scores, (), padded, align_corners)
    wanted = upsample(coarse, size).argmax(1)
    assert torch.equal(predict_from_coarse(coarse, size, tile), wanted)
    smooth = coarse._replace(scores=scores.cumsum(-1) + 5 * scores[:, :, :1, :1])
    assert torch.equal(predict_from_coarse(smooth, size, tile), upsample(smooth, size).argmax(1))


def test_only_classes_that_can_win_are_looked_at():
    scores = torch.zeros(4, 2, 2)
    scores[1] = 3.0
    scores[2, 0, 0] = 5.0  # wins in one corner
    scores[3, 1, 1] = 2.9  # below class 1 wherever that is
    assert can_win([scores]).tolist() == [1, 2]
    assert can_win([scores, -scores]).tolist() == [0, 1, 2, 3]  # bounds of a sum are wider
    assert can_win([torch.full((4, 2, 2), float("nan"))]).tolist() == [0, 1, 2, 3]


def test_equal_scores_go_to_the_first_class():
    coarse = Coarse(torch.zeros(1, 5, 3, 3), (), (48, 48))
    assert int(predict_from_coarse(coarse, (48, 48)).max()) == 0


def test_windows_are_averaged_where_they_overlap():
    window, size, places = (32, 48), (50, 80), [(0, 0), (0, 32), (18, 0), (18, 32)]
    scores = torch.randn(4, 7, 2, 3, dtype=torch.float64)
    coarse = Coarse(scores, (), window)
    total, seen = torch.zeros(7, *size, dtype=torch.float64), torch.zeros(size)
    for (y, x), logits in zip(places, upsample(coarse, window), strict=True):
        total[:, y : y + 32, x : x + 48] += logits
        seen[y : y + 32, x : x + 48] += 1
    for tile in (16, 37, 1000):
        got = predict_from_windows(coarse, places, window, size, tile)
        assert torch.equal(got, (total / seen).argmax(0))


def test_half_precision_is_interpolated_in_single():
    scores = torch.randn(1, 9, 4, 4).bfloat16()
    wanted = F.interpolate(scores.float(), size=(64, 64), mode="bilinear").argmax(1)
    assert torch.equal(predict_from_coarse(Coarse(scores, (), (64, 64)), (64, 64)), wanted)
