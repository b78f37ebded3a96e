"""Distances with loops; receptive fields from gradients of the real network."""

from math import hypot

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from segtutor.insight import (
    attention_distance,
    distance_alt,
    distance_figure,
    receptive_fields,
    uniform_distance,
)


def test_distance_with_loops():
    (h, w), patch, extra = (2, 3), 16, 2
    attention = torch.randn(2, 3, 8, 8).softmax(-1)
    found = attention_distance(attention, (h, w), patch, extra)
    assert found.shape == (2, 3)
    places = [(r, c) for r in range(h) for c in range(w)]
    for layer in range(2):
        for head in range(3):
            rows = []
            for i, (r, c) in enumerate(places):
                weights = [
                    float(attention[layer, head, extra + i, extra + j]) for j in range(h * w)
                ]
                far = [patch * hypot(r - r2, c - c2) for r2, c2 in places]
                rows.append(sum(a * b for a, b in zip(weights, far, strict=True)) / sum(weights))
            assert float(found[layer, head]) == pytest.approx(sum(rows) / len(rows), abs=1e-5)


def test_attention_that_stays_or_is_even():
    eye, even = torch.eye(13).expand(1, 1, -1, -1), torch.full((1, 1, 13, 13), 1 / 13)
    assert attention_distance(eye, (3, 4), 16).item() == 0
    wanted = uniform_distance((3, 4), 16)
    assert attention_distance(even, (3, 4), 16).item() == pytest.approx(wanted)
    only_cls = eye.clone()
    only_cls[0, 0, 1:] = even[0, 0, 1:]
    only_cls[0, 0, 1] = torch.eye(13)[0]  # the first patch gives all to cls: it does not count
    assert torch.isfinite(attention_distance(only_cls, (3, 4), 16)).all()
    with pytest.raises(ValueError, match=r"does not fit 2 extra .* expected \(L, A, 14, 14\)"):
        attention_distance(eye, (3, 4), 16, extra=2)


def touched(network: nn.Module, side: int) -> int:
    """How many columns of the input a unit in the middle depends on."""
    image = torch.ones(1, 3, 8, side, requires_grad=True)
    features = network(image)
    features[0, 0, features.shape[2] // 2, features.shape[3] // 2].backward()
    columns = image.grad[0].abs().sum((0, 1)).nonzero().flatten()
    return int(columns[-1] - columns[0]) + 1


@pytest.mark.parametrize("stride", [32, 8])
def test_fields_are_what_gradients_reach(stride):
    from torchvision.models import resnet50

    dilate = [False, stride < 16, stride < 32]
    network = resnet50(replace_stride_with_dilation=dilate)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            owner, _, last = name.rpartition(".")
            setattr(network.get_submodule(owner), last, nn.Identity())
        elif isinstance(module, nn.Conv2d):
            size = module.weight[0].numel()
            nn.init.constant_(module.weight, 1 / size)  # all positive: nothing cancels, ReLU passes
    n, wanted = network, receptive_fields("resnet50", stride=stride)
    mean = nn.AvgPool2d(3, 2, 1)  # a maximum would pass the gradient of one pixel only
    parts = [n.conv1, n.relu, mean, n.layer1, n.layer2, n.layer3, n.layer4]
    ends = {"stem": 1, "pool": 3, "stage 1": 4, "stage 2": 5, "stage 3": 6, "stage 4": 7}
    for name in ends if stride == 32 else ("stage 4",):
        assert touched(nn.Sequential(*parts[: ends[name]]), side=512) == wanted[name], name


def test_known_and_unknown_networks():
    assert receptive_fields("resnet50")["stage 4"] == 427
    assert receptive_fields("resnet101")["stage 4"] == 971
    with pytest.raises(ValueError, match="no receptive field known for 'vgg'; known: resnet50"):
        receptive_fields("vgg")
    with pytest.raises(ValueError, match="stride is 4, expected 8, 16 or 32"):
        receptive_fields(stride=4)


def test_the_figure_and_its_words():
    distances = torch.tensor([[10.0, 60.0], [70.0, 90.0]])
    fields = receptive_fields()
    figure = distance_figure(distances, fields=fields, uniform=80.0)
    axis = figure.axes[0]
    assert len(axis.collections[0].get_offsets()) == 4
    texts = [t.get_text() for t in axis.texts]
    assert "ResNet-50 stage 2 reaches 45.5" in texts and not any("stage 4" in t for t in texts)
    text = distance_alt(distances, fields=fields)
    assert "Layer 1: 10 to 60 pixels, mean 35; layer 2: 70 to 90, mean 80" in text
    assert "1 of 2 heads of layer 1 look further than ResNet-50 stage 2 reaches (45.5" in text
    plt.close("all")
