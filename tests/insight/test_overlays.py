"""Predictions as pictures."""

import numpy as np
import pytest
import torch

from segtutor.insight.overlays import with_legend, write_prediction

CLASSES, PALETTE = ("road", "sky", "car"), ((255, 0, 0), (0, 0, 255), (0, 255, 0))


def scene():
    image = torch.full((3, 40, 120), 100, dtype=torch.uint8)
    label = torch.zeros(40, 120, dtype=torch.long)
    label[:10], label[20:22], label[30:] = 1, 255, 2
    return image, label


def test_classes_are_laid_over_the_photograph_and_named_below():
    image, label = scene()
    drawn = with_legend(image, label, CLASSES, PALETTE, opacity=0.5)
    assert drawn[0, 0].tolist() == [50, 50, 177] and drawn[15, 0].tolist() == [177, 50, 50]
    assert drawn[21, 5].tolist() == [100, 100, 100]  # ignored: the photograph itself
    legend = drawn[40:].reshape(-1, 3)
    for colour in PALETTE:
        assert (legend == colour).all(1).any()
    assert (legend == 255).all(1).mean() > 0.5  # on white


def test_a_legend_of_so_many_rows_has_one_height_and_the_largest_classes():
    image, label = scene()
    one = with_legend(image, label, CLASSES, PALETTE, rows=1)
    none = with_legend(image, torch.full_like(label, 255), CLASSES, PALETTE, rows=1)
    assert one.shape == none.shape
    narrow = with_legend(image[:, :, :50], label[:, :50], CLASSES, PALETTE, rows=1)
    legend = narrow[40:].reshape(-1, 3)
    found = [bool((legend == colour).all(1).any()) for colour in PALETTE]
    assert found == [True, False, False]  # road has the most pixels, and only one name fits


def test_mistakes_are_explained(tmp_path):
    image, label = scene()
    with pytest.raises(ValueError, match="3 class names, but 2 colours"):
        write_prediction(tmp_path, "a", image, label, CLASSES, PALETTE[:2])
    many = [str(k) for k in range(256)]
    with pytest.raises(ValueError, match="256 classes do not fit into 8-bit"):
        write_prediction(tmp_path, "a", image, label, many, np.zeros((256, 3)))
