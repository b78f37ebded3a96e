import numpy as np
import pytest
import torch

from segtutor.data.dataset import check_label
from segtutor.data.toyscenes import CLASSES, LENGTHS, PALETTE, ToyScenes


def test_a_sample_follows_the_protocol():
    data = ToyScenes("val", size=(64, 96), length=3)
    assert len(data) == 3 and len(PALETTE) == len(CLASSES) == 8 and data.ignore == 255
    for sample in data:  # stops by itself at the end
        assert sample.image.shape == (3, 64, 96) and sample.image.dtype == torch.uint8
        assert sample.label.shape == (64, 96) and sample.label.dtype == torch.uint8
        check_label(sample.label, len(CLASSES), 255, sample.name)
    assert sample.name == "val-00002"


def same(a, b) -> bool:
    return torch.equal(a.image, b.image) and torch.equal(a.label, b.label)


def test_a_scene_depends_on_seed_split_and_index_alone():
    first = [ToyScenes(size=(64, 64), length=4)[i] for i in (0, 1, 2)]
    np.random.seed(5)
    torch.manual_seed(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    again = ToyScenes(size=(64, 64), length=900)  # another length, another order of calls
    assert all(same(again[i], first[i]) for i in (2, 0, 1))
    assert same(again[-899], first[1])
    assert (np.random.get_state()[1] == before[0]).all() and torch.equal(
        torch.get_rng_state(), before[1]
    )
    others = [ToyScenes("val", size=(64, 64))[0], ToyScenes("test", size=(64, 64))[0]]
    others += [ToyScenes(size=(64, 64), seed=1)[0], again[1]]
    assert not any(same(first[0], other) for other in others)


@pytest.mark.parametrize("size", [(32, 32), (33, 70), (150, 61)])
def test_any_size_shows_the_same_scene(size):
    assert ToyScenes(size=size)[7].image.shape[-2:] == size
    big = ToyScenes(size=(2 * size[0], 2 * size[1]))[7].label[::2, ::2]
    small = ToyScenes(size=size)[7].label
    both = (big != 255) & (small != 255)
    assert (big[both] == small[both]).float().mean() > 0.97


def test_every_class_appears_and_none_fills_the_picture():
    labels = torch.stack([s.label for s in ToyScenes(size=(64, 64), length=40)])
    share = torch.bincount(labels.flatten(), minlength=256).float() / labels.numel()
    assert (share[: len(CLASSES)] > 0.01).all()
    assert share[: len(CLASSES)].max() < 0.4
    assert 0.05 < share[255] < 0.3


def test_borders_between_classes_are_ignored():
    label = ToyScenes(size=(64, 80))[3].label.int()
    for a, b in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
        assert ((a == b) | (a == 255) | (b == 255)).all()


def pixels_and_labels(split: str, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    data = ToyScenes(split, size=(48, 48), length=length)
    pixels = torch.stack([s.image for s in data]).permute(0, 2, 3, 1).float()  # (n, H, W, 3)
    labels = torch.stack([s.label for s in data])  # (n, H, W)
    return pixels[labels != 255], labels[labels != 255].long()


def test_colour_alone_does_not_tell_the_class():
    """The nearest mean colour per class must do badly, or there would be nothing to learn."""
    pixels, labels = pixels_and_labels("train", 30)
    means = torch.stack([pixels[labels == k].mean(0) for k in range(8)])  # (8, 3)
    pixels, labels = pixels_and_labels("val", 15)
    guess = torch.cdist(pixels, means).argmin(1)
    pairs = torch.bincount(labels * 8 + guess, minlength=64).reshape(8, 8)
    iou = pairs.diag() / (pairs.sum(0) + pairs.sum(1) - pairs.diag())  # (8,)
    assert iou.mean() < 0.3


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match="train, val, test"):
        ToyScenes("training")
    with pytest.raises(ValueError, match="at least 32x32"):
        ToyScenes(size=(16, 64))
    with pytest.raises(ValueError, match="seed is -1"):
        ToyScenes(seed=-1)
    with pytest.raises(IndexError, match="scene 1024"):
        ToyScenes()[LENGTHS["train"]]
