import pytest
import torch
import torch.nn.functional as F

from segtutor.decoders import ConvStage, enlarge


@pytest.mark.parametrize("align_corners", [False, True])
def test_stage_is_convolution_norm_relu_enlarge(align_corners):
    stage = ConvStage(width_in=4, width_out=6, scale=2, align_corners=align_corners).eval()
    stage.bn.running_mean.normal_()
    stage.bn.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 4, 3, 5)
    y = F.conv2d(x, stage.conv.weight, stage.conv.bias, padding=1)
    y = (y - stage.bn.running_mean[:, None, None]) / (stage.bn.running_var + 1e-5).sqrt()[
        :, None, None
    ]
    y = F.interpolate(y.relu(), size=(6, 10), mode="bilinear", align_corners=align_corners)
    torch.testing.assert_close(stage(x), y, atol=1e-5, rtol=1e-4)


def test_corners_show_which_way_the_enlargement_counts():
    ramp = torch.arange(4.0).reshape(1, 1, 1, 4).expand(1, 1, 2, 4)
    assert enlarge(ramp, 4, align_corners=True)[0, 0, 0, 5] == pytest.approx(5 * 3 / 15)
    assert enlarge(ramp, 4)[0, 0, 0, 5] == pytest.approx((5 + 0.5) / 4 - 0.5)
    assert enlarge(ramp, 1) is ramp


def test_one_by_one_keeps_the_sides_and_even_kernels_are_refused():
    assert ConvStage(width_in=4, width_out=6, kernel=1)(torch.randn(2, 4, 3, 5)).shape[2:] == (3, 5)
    with pytest.raises(ValueError, match="kernel 2 must be odd and scale 1 at least 1"):
        ConvStage(width_in=4, width_out=6, kernel=2)
