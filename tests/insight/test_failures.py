"""The failure finder: connected pieces, the counts it keeps, its sheet."""

import matplotlib.pyplot as plt
import pytest
import torch

from segtutor.insight.components import components, pieces
from segtutor.insight.failures import FailureFinder
from segtutor.insight.failuresheet import failures_alt, failures_figure

CLASSES, PALETTE = ("road", "car", "pole"), ((200, 0, 0), (0, 0, 200), (0, 200, 0))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def flooded(label):
    """Connected pieces by flood fill, pixel after pixel."""
    H, W = label.shape
    numbers, count = -torch.ones(H, W, dtype=torch.int64), 0
    for r in range(H):
        for c in range(W):
            if numbers[r, c] >= 0:
                continue
            stack = [(r, c)]
            numbers[r, c] = count
            while stack:
                y, x = stack.pop()
                for a, b in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                    inside = 0 <= a < H and 0 <= b < W
                    if inside and numbers[a, b] < 0 and label[a, b] == label[y, x]:
                        numbers[a, b] = count
                        stack.append((a, b))
            count += 1
    return numbers


@pytest.mark.parametrize("size, classes", [((1, 1), 1), ((1, 9), 2), ((9, 1), 2), ((14, 17), 2),
                                           ((30, 23), 3)])  # fmt: skip
def test_components_against_flood_fill(size, classes):
    for _ in range(5):
        label = torch.randint(0, classes, size)
        assert torch.equal(components(label), flooded(label))


def test_components_of_long_crooked_shapes():
    label = torch.zeros(41, 41, dtype=torch.long)
    label[1::2] = 1
    label[1::4, 0], label[3::4, -1] = 0, 0  # the zeros are one snake
    label[2::4, 0], label[0::4, -1] = 0, 0
    assert torch.equal(components(label), flooded(label))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\), expected \(H, W\)"):
        components(torch.zeros(2, 3, 4))


def test_pieces_know_class_size_box_and_what_was_found():
    truth = torch.zeros(12, 14, dtype=torch.long)
    truth[2:4, 3:6], truth[8:, 10:], truth[6, 0] = 1, 255, 2
    guess = truth.clone()
    guess[2, 3:6] = 0
    found = pieces(truth, (guess, truth), smallest=2, largest=20)
    assert [(p.label, p.pixels, p.box, p.found) for p in found] == [
        (1, 6, (2, 3, 4, 6), (0.5, 1.0))
    ]
    assert [p.label for p in pieces(truth)] == [0, 1, 2]  # not the ignored corner


def fed():
    """Three photographs; model "b" misses the second's car, model "a" takes poles for road."""
    finder = FailureFinder(CLASSES, models=("a", "b"), window=(6, 6), keep=2, small=(3, 20))
    for name in ("same", "car", "pole"):
        truth = torch.zeros(16, 20, dtype=torch.long)
        truth[0] = 255
        a, b = truth.clone(), truth.clone()
        a[0], b[0] = 1, 0  # differ where nothing is known
        if name == "car":
            truth[4:7, 10:14] = 1
            a[4:7, 10:14] = 1
        if name == "pole":
            truth[5:10, 3] = 2
            b[5:10, 3] = 2
        finder.update(torch.rand(3, 16, 20), truth, a, b, name=name)
    return finder


def test_what_is_found_is_what_was_put_in():
    found = fed().result()
    assert [(i.name, round(i.differ, 4)) for i in found.images] == [
        ("car", round(12 / 300, 4)), ("pole", round(5 / 300, 4)), ("same", 0.0)
    ]  # fmt: skip
    assert [r.name for r in found.regions] == ["car", "pole"]
    car = found.regions[0]
    assert car.differ == pytest.approx(12 / 36) and car.right == pytest.approx((1.0, 24 / 36))
    assert car.image.shape == (3, 6, 6) and car.truth.shape == (6, 6)
    assert (car.predictions[0] != car.predictions[1]).sum() == 12
    assert {k: (m.seen, m.by, m.both) for k, m in found.missed.items()} == {
        1: (1, [0, 1], 0), 2: (1, [1, 0], 0)
    }  # fmt: skip
    assert found.pairs(0) == [(2, 0, 1.0)] and found.pairs(1) == [(1, 0, 1.0)]
    assert found.matrices[0].sum() == 3 * 300


def test_only_the_best_windows_are_kept():
    finder = FailureFinder(("a", "b"), keep=3, window=(4, 4))
    for i in range(8):
        truth = torch.zeros(10, 10, dtype=torch.long)
        other = truth.clone()
        other[: i % 4 + 1, 0] = 1
        finder.update(torch.rand(3, 10, 10), truth, truth, other)
    assert len(finder._best) == 3
    assert [r.name for r in finder.result().regions] == ["image 3", "image 7", "image 2"]


def test_the_sheet_and_its_words():
    found = fed().result()
    figure = failures_figure(found, PALETTE)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles[:4] == ["car", "truth; answers differ: 33 %", "a: 100 % right", "b: 67 % right"]
    left, right = figure.axes[-2:]
    assert [t.get_text() for t in left.get_yticklabels()] == ["car", "pole"]
    assert [bar.get_width() for bar in left.patches] == [0, 100, 100, 0]  # a's bars, then b's
    assert {t.get_text() for t in right.get_yticklabels()} == {"pole → road", "car → road"}
    text = failures_alt(found)
    assert "on 3 photographs" in text and "in a window of car: at 33 % of its pixels" in text
    assert "Of 2 small pieces (3 to 20 pixels) a misses 1, b 1, and 0 are missed by both" in text
    assert "a most often takes pole for road (100 % of its pixels)" in text


def test_two_equal_models_give_an_empty_sheet():
    finder = FailureFinder(CLASSES)
    flat = torch.zeros(8, 8, dtype=torch.long)
    finder.update(torch.rand(3, 8, 8), flat, flat, flat)
    found = finder.result()
    assert not found.regions and "the same answer everywhere" in failures_alt(found)
    assert failures_figure(found, PALETTE).axes


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match="expected two different names"):
        FailureFinder(CLASSES, models=("a", "a"))
    with pytest.raises(ValueError, match=r"small is \(9, 3\), expected \(fewest, most\)"):
        FailureFinder(CLASSES, small=(9, 3))
    with pytest.raises(ValueError, match="found is 0, expected a share"):
        FailureFinder(CLASSES, found=0)
    finder, flat = FailureFinder(CLASSES), torch.zeros(4, 5, dtype=torch.long)
    with pytest.raises(ValueError, match="no photograph was given"):
        finder.result()
    with pytest.raises(ValueError, match=r"street: B is \(4, 4\) pixels, the photograph \(4, 5\)"):
        finder.update(torch.rand(3, 4, 5), flat, flat, flat[:, :4], name="street")
    with pytest.raises(ValueError, match="street: label holds class 7"):
        finder.update(torch.rand(3, 4, 5), flat + 7, flat, flat, name="street")
