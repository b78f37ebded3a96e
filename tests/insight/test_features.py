"""Colours of feature maps: main directions against a plain SVD, one basis, one scale."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from segtutor.data import normalise
from segtutor.insight import (
    busiest_channels,
    channels_alt,
    feature_maps,
    features_alt,
    features_figure,
    inside,
    shared_pca,
    spaces_of,
)
from segtutor.insight.features import neighbours, pca_basis
from segtutor.models import SegmentationModel, segmenter_mask, setr_mla, setr_pup
from segtutor.tokens import build_encoder
from segtutor.upsampling import Coarse

SMALL = dict(patch=8, image=(24, 32))


def by_hand(maps: list[np.ndarray], plain: bool):
    """Vectors prepared with loops; then numpy's SVD of all of them, one under the other."""
    rows = []
    for map_ in maps:
        h, w, _ = map_.shape
        vectors = [map_[r, c] for r in range(h) for c in range(w)]
        if not plain:
            vectors = [v / np.sqrt(sum(x * x for x in v)) for v in vectors]
            mean = sum(vectors) / len(vectors)
            vectors = [v - mean for v in vectors]
        rows += vectors
    rows = np.array(rows)
    rows = rows - rows.mean(0)
    _, values, axes = np.linalg.svd(rows, full_matrices=False)
    return rows, values, axes


@pytest.mark.parametrize("plain", [False, True])
def test_main_directions_are_those_of_an_svd(plain):
    maps = [torch.randn(4, 5, 6) + 1, 10 * torch.randn(3, 2, 6)]
    rows, values, axes = by_hand([m.double().numpy() for m in maps], plain)
    basis = pca_basis(maps, plain=plain)
    for i in range(3):
        wanted = axes[i] * np.sign(axes[i][np.abs(axes[i]).argmax()])
        np.testing.assert_allclose(basis.directions[i], wanted, atol=1e-7)
        assert float(basis.share[i]) == pytest.approx(values[i] ** 2 / (values**2).sum())
    places = rows @ basis.directions.numpy().T
    low, high = np.quantile(places, [0.01, 0.99], axis=0)
    wanted = np.clip((places - low) / (high - low), 0, 1)
    found = torch.cat([c.flatten(0, 1) for c in shared_pca(maps, plain=plain)])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_colours_mean_the_same_in_all_maps():
    """The same vectors in two maps get the same colours; the basis does not depend on the order."""
    a, b = torch.randn(3, 4, 8), torch.randn(3, 4, 8)
    first = shared_pca([a, b, a])
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])
    again = shared_pca([b, a, a])
    torch.testing.assert_close(again[1], first[0], atol=1e-5, rtol=1e-5)
    other = shared_pca([a, torch.randn(6, 8, 5), b, a])  # another width does not disturb
    torch.testing.assert_close(other[0], first[0], atol=1e-6, rtol=0)
    assert other[1].shape == (6, 8, 3)
    louder = shared_pca([a, 50 * b, a])  # nor do lengths
    torch.testing.assert_close(louder[1], first[1], atol=1e-5, rtol=1e-5)


def test_only_one_space_shares_a_basis():
    titles = ["Z1", "Z12", "D1", "U1", "U2", "level 1", "Depth"]
    assert spaces_of(titles) == ["Z", "Z", "D", "U1", "U2", "level 1", "Depth"]
    a, b, c = (torch.randn(3, 4, 8) for _ in range(3))
    together, alone = shared_pca([a, b, c], spaces=["Z", "Z", "U1"]), shared_pca([a, b])
    assert torch.equal(together[0], alone[0]) and torch.equal(together[1], alone[1])
    assert torch.equal(together[2], shared_pca([c])[0])
    with pytest.raises(ValueError, match="2 spaces named for 3 maps"):
        shared_pca([a, b, c], spaces=["Z", "Z"])


def test_narrow_and_flat_maps_are_drawn_too():
    two = shared_pca([torch.randn(3, 4, 2)])[0]
    assert two.shape == (3, 4, 3) and (two[..., 2] == 0.5).all()
    assert torch.isfinite(shared_pca([torch.ones(3, 4, 8)])[0]).all()
    with pytest.raises(ValueError, match=r"widths \[4, 8\] have no basis in common"):
        pca_basis([torch.ones(2, 2, 4), torch.ones(2, 2, 8)])
    with pytest.raises(ValueError, match="not finite"):
        shared_pca([torch.full((2, 2, 4), float("nan"))])


def test_maps_of_every_decoder():
    photo = torch.rand(3, 24, 32)
    pup = setr_pup(5, (24, 2, 3), hidden=8, **SMALL).eval()
    maps = feature_maps(pup, photo)
    assert list(maps) == ["Z1", "Z2", "U1", "U2", "U3", "U4", "U5"]
    sides = [tuple(m.shape) for m in maps.values()]
    assert sides[:2] == [(3, 4, 24)] * 2
    assert sides[2:] == [(6, 8, 8), (12, 16, 8), (24, 32, 8), (24, 32, 8), (24, 32, 5)]
    batch = normalise(255 * photo, "imagenet")[None]
    with torch.no_grad():
        encoded = pup.encoder(batch, layers="all")
        scores = pup.coarse(batch).scores
    torch.testing.assert_close(maps["Z1"], encoded.patches(0)[0].reshape(3, 4, 24))
    torch.testing.assert_close(maps["U5"], scores[0].permute(1, 2, 0), atol=1e-5, rtol=1e-4)
    mla = setr_mla(5, (24, 4, 3), hidden=8, head_hidden=4, **SMALL)
    maps = feature_maps(mla, photo)
    assert list(maps)[4:] == [f"level {i}" for i in range(1, 5)] + [
        f"stream {i}" for i in range(1, 5)
    ]
    assert maps["level 4"].shape == (3, 4, 8) and maps["stream 1"].shape == (12, 16, 4)
    mask = segmenter_mask(5, (24, 2, 3), decoder_heads=2, **SMALL)
    maps = feature_maps(mask, photo)
    assert list(maps) == ["Z1", "Z2", "D1", "D2"] and maps["D2"].shape == (3, 4, 24)
    encoder = build_encoder((24, 2, 3), **SMALL)
    assert list(feature_maps(encoder, photo, normalisation="half")) == ["Z1", "Z2"]
    with pytest.raises(ValueError, match="Linear has no part named 'encoder'"):
        feature_maps(torch.nn.Linear(2, 2), photo)
    with pytest.raises(ValueError, match="4x32 pixels, smaller than one patch"):
        feature_maps(mask, photo[:, :4])


def test_a_baseline_gives_its_stages():
    """A network without attention still has feature maps; `inside` refuses it and says so."""

    class Stages(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 6, 2, 2)

        def forward(self, x):
            return {"out": self.conv(x)}

    class Net(SegmentationModel):
        multiple_of = 2

        def coarse(self, images, aux=None):
            return Coarse(self.encoder(images)["out"], (), (4, 6), False)

    net = Net(Stages(), torch.nn.Identity())
    maps = feature_maps(net, torch.rand(3, 4, 6), normalisation="imagenet")
    assert {t: tuple(m.shape) for t, m in maps.items()} == {"stage 1": (2, 3, 6)}
    with pytest.raises(ValueError, match="no attention to look at.*feature maps"):
        inside(net, torch.rand(3, 4, 6))


def test_neighbours_are_compared_with_loops():
    map_ = torch.randn(3, 4, 5)
    unit = map_ / map_.norm(dim=-1, keepdim=True)
    unit = unit - unit.mean((0, 1))
    pairs = [((r, c), (r, c + 1)) for r in range(3) for c in range(3)]
    pairs += [((r, c), (r + 1, c)) for r in range(2) for c in range(4)]
    likes = [torch.cosine_similarity(unit[a], unit[b], dim=0) for a, b in pairs]
    assert neighbours(map_) == pytest.approx(float(sum(likes) / len(likes)), abs=1e-6)


def test_pictures_and_words():
    maps = {"Z1": torch.randn(3, 4, 8), "Z2": torch.randn(3, 4, 8), "U1": torch.randn(6, 8, 5)}
    colours = dict(zip(maps, shared_pca(list(maps.values())), strict=True))
    figure = features_figure(torch.rand(3, 24, 32), colours, columns=3)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["photo", "Z1", "Z2", "U1", "", ""]
    text = features_alt(maps, spaces=spaces_of(maps))
    assert "3 feature maps, Z1 to U1" in text and "2 bases (Z1 to Z2, U1)" in text
    spread = torch.zeros(3, 4, 8)
    spread[1, 2, 6], spread[0, 1, 3] = 9.0, 5.0
    channels = busiest_channels(spread, 2)
    assert list(channels) == ["channel 6", "channel 3"]
    text = channels_alt("Z9", channels, 8)
    assert "2 of 8 channels of Z9" in text and "channel 6 largest at row 2, column 3" in text
    plt.close("all")
