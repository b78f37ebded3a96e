"""Batches are functions of (seed, step), however they are cut and whoever prepares them; what
cannot be read is named.
"""

import os
import signal

import pytest
import torch
from torch import nn

from segtutor.data import FolderData, batches
from segtutor.data.loading import Cached, batch_names, number
from tests.training.tiny import Halves

OPTIONS = dict(batch=4, steps=5, transform=None, normalisation="half", seed=3)


class Numbered(Halves):
    """The first pixel tells which picture it is."""

    def __getitem__(self, i):
        sample = super().__getitem__(i)
        sample.image[:, 0, 0] = i
        return sample


class Noise(nn.Module):
    """A transform that needs nothing but torch's generator."""

    def forward(self, image, label):
        return (image + torch.randint_like(image, 0, 9)), label


def test_pieces_together_are_the_batch():
    """Two processes with two micro-batches each see what one process sees, in its order."""
    data = Numbered(length=7)
    whole = list(batches(data, **OPTIONS))
    pieces = [list(batches(data, **OPTIONS, pieces=4, take=t)) for t in ((0, 1), (2, 3))]
    for step in range(5):
        parts = [part for process in pieces for part in process[2 * step : 2 * step + 2]]
        assert [len(images) for images, _ in parts] == [1, 1, 1, 1]
        for k in (0, 1):
            assert torch.equal(torch.cat([part[k] for part in parts]), whole[step][k])


def test_resumed_in_the_middle_of_an_epoch_and_with_workers():
    data = Numbered(length=7)
    options = {**OPTIONS, "transform": Noise()}
    whole = list(batches(data, **options))
    later = list(batches(data, **options, start=3, workers=2))
    assert len(later) == 2
    for mine, wanted in zip(later, whole[3:], strict=True):
        assert torch.equal(mine[0], wanted[0]) and torch.equal(mine[1], wanted[1])


def test_an_epoch_shows_every_sample_once():
    seen = [batch_names(Numbered(length=8), step, batch=4, seed=1) for step in (0, 1, 2, 3)]
    first, second = seen[0] + seen[1], seen[2] + seen[3]
    assert sorted(first) == sorted(second) == [f"picture_{i}" for i in range(8)]
    assert first != second
    assert batch_names(Cached(Numbered(length=8)), 0, batch=4, seed=1) == seen[0]


def test_nothing_is_taken_from_the_global_generator():
    before = torch.get_rng_state()
    list(batches(Numbered(), **{**OPTIONS, "transform": Noise()}, workers=1))
    assert torch.equal(before, torch.get_rng_state())


def test_order_of_the_parts_of_a_seed_matters():
    assert len({number(1, 2), number(2, 1), number(1), number(1, 2, 0)}) == 4


def test_a_batch_that_cannot_be_cut():
    with pytest.raises(ValueError, match="a batch of 4 cannot be cut into 3 equal pieces"):
        next(batches(Halves(), **OPTIONS, pieces=3))


def test_an_empty_data_set():
    with pytest.raises(ValueError, match="'halves' is empty"):
        next(batches(Halves(length=0), **OPTIONS))


class KillsItself(Halves):
    """The process that reads picture 2 dies, as it would when memory runs out."""

    def __getitem__(self, i):
        if i == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(i)


def test_a_worker_that_dies_names_what_it_was_reading():
    stream = batches(KillsItself(), **OPTIONS, workers=1)
    with pytest.raises(RuntimeError, match=r"prepares batches of halves died .*hands: picture_2\."):
        list(stream)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_cannot_be_read_is_named(tmp_path, workers):
    from PIL import Image

    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
        for name in ("a", "b"):
            mode = "RGB" if part == "images" else "L"
            Image.new(mode, (16, 16)).save(tmp_path / part / f"{name}.png")
    data = FolderData(tmp_path / "images", tmp_path / "labels", ("one", "two"))
    (tmp_path / "images" / "b.png").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"b\.png cannot be read as an image") as caught:
        list(batches(data, batch=2, steps=1, transform=None, normalisation="half", workers=workers))
    assert "Traceback" not in str(caught.value)
