"""Sliding windows against the official numbers, and their properties."""

import pytest
import torch
from torch import nn

from segtutor.evaluation import evaluate, sliding_window
from segtutor.evaluation.windows import grow_to_window, starts
from segtutor.models import segmenter_linear


def pairs(height, width, window, stride):
    return [[y, x] for y in starts(height, window, stride) for x in starts(width, window, stride)]


def test_segmenters_windows(golden):
    geometry = golden.config("segmenter_geometry")
    for case in geometry["anchors"]:
        assert pairs(case["h"], case["w"], case["window"], case["stride"]) == case["anchors"]
    for case in geometry["resize_if_shorter_than_window"]:
        window = (case["window"], case["window"])
        grown = grow_to_window(torch.zeros(1, 1, case["h"], case["w"]), window)
        assert list(grown.shape[-2:]) == case["resized"]


def test_setrs_windows(golden):
    for case in golden.config("setr_slide_windows"):
        ours = pairs(case["h"], case["w"], case["crop"], case["stride"])
        assert ours == case["windows_y1_x1"]


class Colours(nn.Module):
    """A "model" that answers for each pixel alone: windows must not change its answer."""

    def forward(self, images):
        return torch.cat([images, -images[:, :1]], 1)  # (B, 4, H, W)


@pytest.mark.parametrize("size", [(32, 48), (61, 50), (33, 97)])
@pytest.mark.parametrize("stride", [(32, 32), (20, 11)])
def test_every_pixel_is_covered_and_averaged(size, stride):
    images = torch.randn(2, 3, *size)
    found = sliding_window(Colours(), images, (32, 32), stride, batch=3)
    torch.testing.assert_close(found, Colours()(images))


def test_overlaps_are_means_of_logits():
    class Number(nn.Module):
        """Answers the mean of its window."""

        def forward(self, images):
            mean = images.mean((1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
            return mean.expand(-1, 2, *images.shape[-2:])

    images = torch.arange(6.0).expand(1, 3, 4, 6)
    found = sliding_window(Number(), images, (4, 4), (4, 2))  # windows at columns 0 and 2
    assert found[0, 0, 0].tolist() == [1.5, 1.5, 2.5, 2.5, 3.5, 3.5]


def test_small_images_are_enlarged_and_come_back_in_their_own_size():
    found = sliding_window(Colours(), torch.randn(1, 3, 20, 30), (32, 32), (32, 32))
    assert found.shape == (1, 4, 20, 30)


def test_evaluate_with_a_window_as_large_as_the_image_is_whole_image_evaluation():
    from segtutor.data.toyscenes import ToyScenes

    data = ToyScenes("test", size=(48, 64), length=2)
    model = segmenter_linear(len(data.classes), (32, 1, 2), patch=8, image=(48, 64)).eval()
    whole, windows = evaluate(model, data), evaluate(model, data, window=(48, 64))
    assert torch.equal(whole.matrix, windows.matrix)
    assert not torch.equal(whole.matrix, evaluate(model, data, window=(32, 32)).matrix)


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match="a window of 64 pixels does not fit into 32"):
        starts(32, 64, 32)
    with pytest.raises(ValueError, match="stride is 40, expected 1 to 32"):
        starts(100, 32, 40)
