"""Groups of classes by size, and the reading of Segmenter's table 4 that they rest on."""

import math

import pytest
import torch

from segtutor.evaluation import class_sizes, iou_by_size, size_groups

TABLE_4 = [  # small, medium, large, all: Segmenter table 4, from DeepLab to Seg-L-Mask/16
    (37.85, 50.89, 50.67, 46.47),
    (31.95, 47.82, 49.44, 43.07),
    (32.29, 49.44, 50.82, 44.19),
    (38.31, 50.91, 52.08, 47.10),
    (40.49, 51.37, 54.24, 48.70),
    (39.57, 51.32, 53.28, 48.06),
    (40.16, 52.61, 52.66, 48.48),
    (41.43, 54.35, 52.85, 49.54),
    (42.08, 54.67, 55.39, 50.71),
    (42.02, 54.83, 57.06, 51.30),
]


def test_in_table_4_the_columns_average_to_the_whole():
    """So its groups are equal thirds of the classes, which is how ours are made."""
    for *columns, whole in TABLE_4:
        assert sum(columns) / 3 == pytest.approx(whole, abs=0.01)


def test_equal_groups_average_to_the_whole():
    iou, sizes = torch.rand(150, dtype=torch.float64), torch.rand(150, dtype=torch.float64)
    groups = size_groups(sizes)
    assert [len(g) for g in groups.values()] == [50, 50, 50]
    assert sorted(sum(groups.values(), [])) == list(range(150))
    assert max(sizes[groups["small"]]) < min(sizes[groups["medium"]])
    assert max(sizes[groups["medium"]]) < min(sizes[groups["large"]])
    found = iou_by_size(iou, groups)
    assert sum(found.values()) / 3 == pytest.approx(float(iou.mean()))


def test_the_size_of_a_class_by_hand():
    """Class 0 covers 80 of 100 and 50 of 50 labelled pixels, class 1 the other 20; 2 is nowhere."""
    sizes = class_sizes(torch.tensor([[80, 20, 0], [50, 0, 0]]))
    assert sizes[:2].tolist() == pytest.approx([0.9, 0.2]) and math.isnan(sizes[2])


def test_classes_that_never_occur_are_in_no_group():
    sizes = torch.tensor([0.5, float("nan"), 0.1, 0.3, 0.2])
    groups = size_groups(sizes)
    assert groups == {"small": [2, 4], "medium": [3], "large": [0]}
    iou = torch.tensor([0.8, float("nan"), 0.2, 0.6, 0.4])
    assert iou_by_size(iou, groups) == pytest.approx({"small": 0.3, "medium": 0.6, "large": 0.8})
    with pytest.raises(ValueError, match="2 classes occur in these labels"):
        size_groups(torch.tensor([0.1, 0.2]))
