"""Position tables beside each other: tiles stand where they should, words carry the means."""

import matplotlib.pyplot as plt
import pytest
import torch

from segtutor.insight import (
    before_and_after,
    places_figure,
    position_similarity,
    tables_alt,
    tables_figure,
)
from segtutor.insight.positions import likeness, mosaic, query_places, reach
from segtutor.tokens import resize_positions


def test_tiles_stand_where_they_should():
    similarity = torch.rand(4, 6, 4, 6)
    rows, columns = query_places((4, 6), (2, 3))
    assert (rows, columns) == ([1, 3], [1, 3, 5])
    picture = mosaic(similarity, (2, 3))
    assert picture.shape == (2 * 4 + 1, 3 * 6 + 2)
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            tile = picture[5 * i : 5 * i + 4, 7 * j : 7 * j + 6]
            assert torch.equal(tile, similarity[r, c])
    assert torch.isnan(picture[4]).all() and torch.isnan(picture[:, 6]).all()
    with pytest.raises(ValueError, match="5x3 tiles do not fit a grid of 4x6"):
        mosaic(similarity, (5, 3))


def test_likeness_with_loops():
    h, w = 3, 4
    similarity = position_similarity(torch.randn(1, 1 + h * w, 5), (h, w))
    beside, row, column, everywhere = [], [], [], []
    places = [(r, c) for r in range(h) for c in range(w)]
    for r, c in places:
        for r2, c2 in places:
            value = float(similarity[r, c, r2, c2])
            if (r, c) == (r2, c2):
                continue
            everywhere.append(value)
            if abs(r - r2) + abs(c - c2) == 1:
                beside.append(value)
            if r == r2:
                row.append(value)
            if c == c2:
                column.append(value)
    wanted = [sum(v) / len(v) for v in (beside, row, column, everywhere)]
    assert likeness(similarity) == pytest.approx(wanted, abs=1e-6)


def test_before_and_after():
    table = torch.randn(1, 2 + 12, 5)
    figure, alt = before_and_after(table, (3, 4), (6, 5), extra=2, tiles=(3, 3))
    assert [axis.get_title() for axis in figure.axes[:2]] == ["stored, 3x4", "bilinear, 6x5"]
    shown = figure.axes[1].images[0].get_array()
    stretched = resize_positions(table, (3, 4), (6, 5), extra=2)
    wanted = mosaic(position_similarity(stretched, (6, 5), extra=2), (3, 3))
    assert shown.shape == tuple(wanted.shape)
    assert float(shown[0, 0]) == pytest.approx(float(wanted[0, 0]))
    assert "stored, 3x4: next neighbour" in alt and "bilinear, 6x5: next neighbour" in alt
    plt.close("all")


def test_tables_of_different_grids_side_by_side():
    both = {"ViT": torch.ones(4, 4, 4, 4), "DeiT": torch.ones(2, 3, 2, 3)}
    assert len(tables_figure(both, tiles=[(4, 4), (2, 3)]).axes) == 3
    assert "ViT: next neighbour 1.00" in tables_alt(both)
    plt.close("all")


def test_picked_places_are_drawn_and_told_of():
    similarity = position_similarity(torch.randn(1, 1 + 4 * 6, 5), (4, 6))
    figure, alt = places_figure({"a": similarity, "b": -similarity}, [(0, 2), (3, 5)])
    drawn = [axis.images[0].get_array() for axis in figure.axes[:4]]
    wanted = [sign * similarity[place] for sign in (1, -1) for place in ((0, 2), (3, 5))]
    for picture, map_ in zip(drawn, wanted, strict=True):
        torch.testing.assert_close(torch.as_tensor(picture.data), map_)
    assert figure.axes[0].get_title() == "row 1, column 3"  # readers count from 1
    assert "2 places (row 1 column 3, row 4 column 6)" in alt and "; b " in alt
    plt.close(figure)
    with pytest.raises(ValueError, match=r"place \(4, 0\) is outside the 4x6 grid"):
        places_figure({"a": similarity}, [(4, 0)])


def test_reach_with_loops():
    map_ = torch.rand(4, 6)
    others = [(float(map_[r, c]), r, c) for r in range(4) for c in range(6) if (r, c) != (1, 2)]
    best = sorted(others, reverse=True)[:2]  # a tenth of 23
    far = [((r - 1) ** 2 + (c - 2) ** 2) ** 0.5 for _, r, c in best]
    assert reach(map_, (1, 2)) == pytest.approx(sum(far) / 2)
