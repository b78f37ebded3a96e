import base64
import io

import numpy as np
import torch
from PIL import Image

from segtutor.insight.packing import (
    CHANNELS,
    WORST,
    cosines,
    directions,
    png,
    quantise,
    restore,
    text_of,
    unpng,
)


def rows(seed: int, *shape: int, sharp: float = 4.0) -> np.ndarray:
    scores = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return (sharp * scores).softmax(-1).numpy()


def test_weights_come_back_within_the_stated_bound():
    for sharp in (0.1, 1.0, 6.0):
        weights = rows(0, 50, 90, sharp=sharp)
        steps, peak = quantise(weights)
        assert steps.dtype == np.uint8 and steps.min() >= 0 and steps.max() == 15
        back = restore(steps, peak)
        worst = np.abs(back - weights) / peak[:, None]
        assert worst.max() <= WORST + 1e-6
        assert (back[weights < 0.0011 * peak[:, None]] == 0).all()
        np.testing.assert_array_equal(back.max(-1), peak)  # the largest weight is exact


def test_the_bound_is_reached():
    """A bound that nothing comes near would say nothing."""
    weights = np.array([[1.0, (14.5 / 15) ** 2 + 1e-6]])
    steps, peak = quantise(weights)
    assert abs(restore(steps, peak)[0, 1] - weights[0, 1]) > 0.999 * WORST


def test_many_small_weights_keep_their_sum():
    """500 patches with about a hundredth of the largest: 16 equal steps would make them all 0."""
    weights = np.random.default_rng(0).uniform(0.002, 0.03, (1, 501))
    weights[0, 0] = 1.0
    small = weights[0, 1:].sum()
    assert not np.rint(15 * weights[0, 1:]).any()
    assert abs(restore(*quantise(weights))[0, 1:].sum() - small) < 0.03 * small


def test_a_row_of_zeros_stays_one():
    steps, peak = quantise(np.zeros((2, 3)))
    assert not restore(steps, peak).any()


def test_steps_survive_the_picture():
    steps = np.random.default_rng(0).integers(0, 16, (11, 7), dtype=np.uint8)
    address = png(steps)
    np.testing.assert_array_equal(unpng(address), steps)
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert picture.size == (7, 11)
    grey = np.asarray(picture.convert("RGB"))  # what a browser's canvas holds
    np.testing.assert_array_equal(grey, np.repeat(17 * steps[..., None], 3, axis=-1))


def test_numbers_survive_as_text():
    for numbers in (np.array([1.5, -2e-7], np.float32), np.array([-127, 5], np.int8)):
        back = np.frombuffer(base64.b64decode(text_of(numbers)), numbers.dtype)
        np.testing.assert_array_equal(back, numbers)


def test_directions_keep_cosines():
    tokens = torch.randn(30, 12)  # fewer dimensions than channels: only rounding is lost
    small, error = directions(tokens)
    assert small.shape == (30, CHANNELS) and small.dtype == np.int8
    unit = tokens / tokens.norm(dim=1, keepdim=True)
    for i in (0, 7, 29):
        for j in range(30):
            off = abs(cosines(small)[i, j] - float(unit[i] @ unit[j]))
            assert off <= error + 1e-6
    assert error < 0.05


def test_the_error_of_directions_is_the_true_one():
    tokens = torch.randn(40, 64)  # far more dimensions than channels
    small, error = directions(tokens)
    truth = torch.nn.functional.cosine_similarity(tokens[:, None], tokens[None], dim=-1).numpy()
    assert np.isclose(np.abs(cosines(small) - truth).max(), error, atol=1e-6)
    assert error > 0.1


def test_the_mean_is_not_subtracted():
    """Cosines of vectors that share a large part are near one; centring would lose that."""
    tokens = torch.randn(20, 50) + 30
    small, error = directions(tokens)
    assert cosines(small).min() > 0.9 and error < 0.05
