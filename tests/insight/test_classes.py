"""Class embeddings: the plane is an SVD's, neighbours are the nearest, masks are the model's."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from segtutor.data import normalise
from segtutor.insight import (
    class_embeddings,
    class_masks,
    class_movement,
    class_plane,
    masks_figure,
    nearest_classes,
    plane_alt,
    plane_figure,
)
from segtutor.models import segmenter_linear, segmenter_mask

SMALL = dict(patch=8, image=(24, 32))


@pytest.fixture
def model():
    return segmenter_mask(4, (24, 2, 3), decoder_heads=2, **SMALL).eval()


@pytest.mark.parametrize("centred", [True, False])
def test_the_plane_keeps_what_an_svd_keeps(centred):
    embeddings = torch.randn(6, 5) + 2
    places, share = class_plane(embeddings, centred=centred)
    rows = embeddings.double().numpy()
    rows = rows - rows.mean(0) if centred else rows
    values, axes = np.linalg.eigh(sum(np.outer(r, r) for r in rows))  # not an SVD, the same axes
    for i in range(2):
        wanted = rows @ axes[:, -1 - i]
        wanted = wanted * np.sign(wanted[np.abs(wanted).argmax()])
        np.testing.assert_allclose(places[:, i], wanted, atol=1e-6)
        assert float(share[i]) == pytest.approx(values[-1 - i] / values.sum())


def test_neighbours_are_found_with_loops():
    embeddings = torch.randn(5, 7)
    found = nearest_classes(embeddings, 2)
    for k in range(5):
        others = [
            (float(torch.cosine_similarity(embeddings[k], embeddings[j], dim=0)), j)
            for j in range(5)
            if j != k
        ]
        wanted = sorted(others, reverse=True)[:2]
        assert [j for j, _ in found[k]] == [j for _, j in wanted]
        assert [c for _, c in found[k]] == pytest.approx([c for c, _ in wanted], abs=1e-6)
    assert len(nearest_classes(embeddings, 9)[0]) == 4


def test_movement_is_seen_from_one_plane():
    start, end = torch.randn(5, 7), torch.randn(5, 7)
    paths = class_movement([start, end])
    assert paths.shape == (2, 5, 2)
    torch.testing.assert_close(paths[-1], class_plane(end)[0])
    moved = class_movement([end + (start - start.mean(0)) * 0, end])
    torch.testing.assert_close(moved[0], moved[1])
    with pytest.raises(ValueError, match=r"different shapes: \[\(4, 7\), \(5, 7\)\]"):
        class_movement([torch.zeros(4, 7), end])


def test_masks_are_the_models(model):
    photo = torch.rand(3, 24, 32)
    with torch.no_grad():
        model.decoder.class_norm.weight.uniform_(0.5, 2)
        model.decoder.class_norm.bias.uniform_(-1, 1)
    before, after = class_masks(model, photo)
    assert before.shape == after.shape == (4, 3, 4)
    assert float(before.abs().max()) <= 1 + 1e-5  # cosines
    wanted = model.decoder.class_norm(before.permute(1, 2, 0)).permute(2, 0, 1).detach()
    torch.testing.assert_close(after, wanted, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        scores = model.coarse(normalise(255 * photo, "half")[None]).scores[0]
    torch.testing.assert_close(after, scores, atol=1e-4, rtol=1e-4)
    plain = segmenter_mask(4, (24, 2, 3), decoder_heads=2, class_norm=False, **SMALL)
    assert torch.equal(*class_masks(plain, photo))


def test_models_and_numbers_that_do_not_fit(model):
    linear = segmenter_linear(4, (24, 2, 3), **SMALL)
    for look in (class_embeddings, lambda m: class_masks(m, torch.rand(3, 24, 32))):
        with pytest.raises(ValueError, match="LinearDecoder has no class embeddings"):
            look(linear)
    assert torch.equal(class_embeddings(model), model.decoder.classes[0])
    with pytest.raises(ValueError, match=r"shape \(2, 7\), expected \(K, d\) with K of at least 3"):
        class_plane(torch.zeros(2, 7))
    with pytest.raises(ValueError, match="3 class names for 4 embeddings"):
        plane_figure(torch.zeros(4, 2), torch.zeros(2), ["a", "b", "c"])
    masks = torch.rand(4, 3, 4)
    with pytest.raises(ValueError, match=r"classes \[4\]: the model has 4, 0..3"):
        masks_figure(torch.rand(3, 24, 32), masks, masks, ["a"] * 4, [4])


def test_pictures_and_words():
    names = ["<b>sky</b>", "$road", "car", "tree $"]
    embeddings = torch.eye(4)[:, :3] + 0.01 * torch.randn(4, 3)
    embeddings[3] = embeddings[2] * 2  # tree lies in car's direction
    places, share = class_plane(embeddings)
    paths = class_movement([torch.zeros(4, 3), embeddings])
    figure = plane_figure(places, share, names, paths=paths)
    figure.canvas.draw()  # a dollar in a name is no formula
    assert {t.get_text() for t in figure.axes[0].texts} == set(names)
    text = plane_alt(embeddings, names)
    assert "Nearest by cosine in all 3 directions: car and tree $ (1.00)" in text
    before = torch.zeros(4, 2, 2)
    before[0] = 0.5
    after = before.clone()
    after[1, 0, 0] = 0.9
    figure, alt = masks_figure(torch.rand(3, 24, 32), before, after, names, [0, 1])
    assert "on 25 % of the patches the norm changes the winner" in alt
    assert "<b>sky</b> wins 75 % of the patches, $road wins 25 % of the patches" in alt
    figure.canvas.draw()
    plt.close("all")
