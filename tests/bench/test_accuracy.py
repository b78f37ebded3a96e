import pytest

from segtutor.bench import camvid_accuracy
from segtutor.named import MODELS


@pytest.mark.real_data
def test_both_sides_reach_the_same_miou(real_data):
    config = MODELS["segmenter-linear-tiny-16"].config
    found = camvid_accuracy(config, real_data, crops=8, steps=20, tests=1)
    assert found["miou_ours"] == pytest.approx(found["miou_plain"], abs=1e-4)
    assert found["miou_ours"] > 0.05 and found["same_labels"] > 0.999
