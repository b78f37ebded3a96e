"""Vectors of classes: scatter and cosines against loops, words against numbers."""

import matplotlib.pyplot as plt
import pytest
import torch

from segtutor.insight import class_plane, cosine_sheet, vectors_figure
from segtutor.insight.classvectors import scatter

NAMES = ("road", "sky", "<b>$car$</b>")
PALETTE = ((90, 90, 90), (0, 0, 255), (255, 0, 0))


def test_scatter_equals_loops():
    vectors = torch.randn(4, 3, 5)
    means = [sum(vectors[s, k] for s in range(4)) / 4 for k in range(3)]
    own = [float((vectors[s, k] - means[k]).norm()) for s in range(4) for k in range(3)]
    others = [float((means[i] - means[j]).norm()) for i in range(3) for j in range(i)]
    assert scatter(vectors) == pytest.approx((sum(own) / 12, sum(others) / 3), abs=1e-5)


def test_every_vector_has_a_dot_in_one_plane():
    vectors = torch.randn(4, 3, 5)
    figure, alt = vectors_figure(vectors, NAMES, PALETTE)
    places, share = class_plane(vectors.flatten(0, 1))
    for k, line in enumerate(figure.axes[0].lines):
        drawn = torch.tensor(line.get_xydata())
        torch.testing.assert_close(drawn, places[k::3], check_dtype=False)
    assert f"keeps {100 * float(share.sum()):.0f} %" in alt and "each of 4 pictures" in alt
    plt.close(figure)


def test_cosines_are_drawn_and_said():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    figure, alt = cosine_sheet(vectors, NAMES)
    half = 0.5**0.5
    wanted = torch.tensor([[1, half, -1], [half, 1, -half], [-1, -half, 1]]).double()
    drawn = torch.as_tensor(figure.axes[0].images[0].get_array().data)
    torch.testing.assert_close(drawn, wanted, check_dtype=False)
    assert [text.get_text() for text in figure.axes[0].texts][:3] == ["1.00", "0.71", "-1.00"]
    assert "Nearest: road and sky (0.71), " in alt and "-0.33 on average" in alt
    assert alt.endswith("Furthest apart: road and <b>$car$</b> (-1.00).")
    figure.canvas.draw()  # a name with dollars is no formula
    plt.close(figure)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"shape \(3, 5\), expected \(S, K, d\)"):
        vectors_figure(torch.zeros(3, 5), NAMES, PALETTE)
    with pytest.raises(ValueError, match="3 class names for vectors of 4 classes"):
        cosine_sheet(torch.zeros(4, 2), NAMES)
    with pytest.raises(ValueError, match=r"shape \(1, 2\).*at least 2"):
        cosine_sheet(torch.zeros(1, 2), NAMES[:1])
