import pytest
import torch

from segtutor.data.contextladder import ContextLadder, accuracy_by_distance, blob_votes


def test_a_sample_follows_the_protocol():
    data = ContextLadder("val", size=(48, 80), length=5)
    assert len(data) == 5 and len(data.classes) == len(data.palette) == 3
    sample, distance = data.sample_with_distance(4)
    assert sample.image.shape == (3, 48, 80) and sample.image.dtype == torch.uint8
    assert sample.label.shape == (48, 80) and sample.label.dtype == torch.uint8
    assert sample.name == "val-00004" and distance == data.distances[4]
    assert set(sample.label.unique().tolist()) in ({0, 1}, {0, 2})


def test_arrays_hold_the_samples_whatever_the_length():
    images, labels, distances = ContextLadder(length=140).arrays()
    more = ContextLadder(length=9)
    assert images.shape == (140, 3, 64, 64) and labels.shape == (140, 64, 64)
    assert torch.equal(more[8].image, images[8]) and torch.equal(more[8].label, labels[8])
    assert torch.equal(more.distances, distances[:9])
    assert not torch.equal(ContextLadder("test", length=9).distances, distances[:9])
    assert not torch.equal(ContextLadder(seed=1, length=9).distances, distances[:9])


def centre(mask: torch.Tensor) -> torch.Tensor:
    """Mean row and column of the marked pixels, (2,)."""
    return mask.nonzero().float().mean(0) + 0.5


def test_the_marker_lies_at_the_stated_place_and_its_colour_is_the_class():
    data = ContextLadder(length=40, size=(48, 72))
    images, labels, distances = data.arrays()
    warm = images[:, 0].float() - images[:, 2].float()  # red - blue; clutter has as much of both
    for i in range(40):
        kind = int(labels[i].max())
        blob = centre(labels[i] == kind)
        marker = centre(warm[i] > 90 if kind == 1 else warm[i] < -90)
        assert torch.allclose(blob, data.blobs[i], atol=0.5)
        assert torch.allclose(marker, data.markers[i], atol=0.5)
        assert torch.allclose(marker - blob, data.offsets[i], atol=0.5)
        assert (marker - blob).abs().max() == pytest.approx(float(distances[i]), abs=0.5)
        assert (warm[i] > 90).any() != (warm[i] < -90).any()  # one marker, of one colour


def test_blobs_of_both_classes_look_the_same():
    data = ContextLadder(length=300)
    images, labels, _ = data.arrays()
    means = [images.permute(0, 2, 3, 1)[labels == k].float().mean(0) for k in (1, 2)]
    assert torch.allclose(means[0], means[1], atol=4)  # of 255
    assert (labels.flatten(1).amax(1) == 1).float().mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("size", [(64, 64), (40, 120), (80, 24)])
def test_distances_are_whole_cells_evenly_spread_from_end_to_end(size):
    data = ContextLadder(length=3000, size=size)
    assert data.farthest == max(size) - 8
    steps, counts = (data.distances / 8).unique(return_counts=True)
    assert steps.tolist() == list(range(1, max(size) // 8))
    assert counts.min() > 0.8 * 3000 / len(steps)
    for places in (data.blobs, data.markers):
        assert (places > 0).all() and (places < torch.tensor(size)).all()
    assert (data.offsets > 0).any(0).all() and (data.offsets < 0).any(0).all()  # all four ways
    some = ContextLadder(length=50, distances=(20, 30)).distances
    assert some.min() >= 20 and some.max() <= 30


def test_blob_and_marker_keep_to_one_cell_each():
    """So a network whose patches are the cells sees all of the marker or nothing."""
    data = ContextLadder(length=200)
    images, labels, _ = data.arrays()
    cells = labels.unfold(1, 8, 8).unfold(2, 8, 8).flatten(3).amax(3)  # (n, 8, 8)
    assert ((cells > 0).flatten(1).sum(1) == 1).all()
    assert (labels[:, 4::8, 4::8] > 0).flatten(1).any(1).all()  # and the cell's middle shows it
    colour = (images[:, 0].float() - images[:, 2].float()).abs() > 60  # of the marker only
    cells = colour.unfold(1, 8, 8).unfold(2, 8, 8).flatten(3).any(3)  # (n, 8, 8)
    assert (cells.flatten(1).sum(1) == 1).all()


def test_votes():
    labels = torch.tensor([[[1, 1, 1, 0]], [[2, 2, 0, 0]], [[0, 1, 1, 0]]])  # (3, 1, 4)
    predicted = torch.tensor([[[1, 1, 2, 2]], [[1, 1, 2, 2]], [[0, 0, 0, 1]]])
    right = blob_votes(predicted, labels)
    assert right.tolist() == [1.0, 0.0, 0.5]
    bins = accuracy_by_distance(right, torch.tensor([5.0, 15.0, 16.0]), [0, 10, 20, 30])
    assert bins[:2].tolist() == [1.0, 0.25] and bins[2].isnan()


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match="train, val, test"):
        ContextLadder("training")
    with pytest.raises(ValueError, match="blob and marker are 8 to 24 apart"):
        ContextLadder(size=(32, 32), distances=(12, 60))
    with pytest.raises(IndexError, match="picture 3"):
        ContextLadder(length=3)[3]
