"""The bootstrap against brute force, and what it may and may not depend on."""

import pytest
import torch

from segtutor.evaluation import bootstrap_difference, bootstrap_miou


def counts(images=40, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    union = torch.randint(50, 100, (images, classes), generator=generator)
    share = torch.rand(images, classes, generator=generator)
    return (union * share).long(), union


def test_against_a_loop():
    hit, union = counts(12)
    found = bootstrap_miou(hit, union, resamples=4000, seed=1)
    generator, scores = torch.Generator().manual_seed(2), []
    for _ in range(4000):
        pick = torch.randint(12, (12,), generator=generator)
        scores.append(float((hit[pick].sum(0) / union[pick].sum(0)).mean()))
    low, high = torch.tensor(scores).quantile(torch.tensor([0.025, 0.975])).tolist()
    assert found.value == pytest.approx(float((hit.sum(0) / union.sum(0)).mean()))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert found.low < found.value < found.high


def test_it_is_as_wide_as_theory_says():
    """One class, equal unions: the mIoU is a mean of n values, its spread theirs over sqrt(n)."""
    hit, union = counts(400, 1)
    union[:], hit = 100, hit.clamp(max=100)
    found = bootstrap_miou(hit, union, resamples=4000)
    spread = float((hit / 100).std()) / 400**0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.08)


def test_equal_images_leave_no_doubt_and_the_seed_decides():
    hit, union = torch.tensor([[3, 1]] * 9), torch.tensor([[4, 4]] * 9)
    assert bootstrap_miou(hit, union)[:3] == (0.5, 0.5, 0.5)
    pair = counts()
    assert bootstrap_miou(*pair, seed=3) == bootstrap_miou(*pair, seed=3)
    assert bootstrap_miou(*pair, seed=3) != bootstrap_miou(*pair, seed=4)
    narrow, wide = (bootstrap_miou(*pair, level=v) for v in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_frames_of_one_video_are_drawn_together():
    """Each image ten times over: as strangers they seem to say more, by drives they do not."""
    hit, union = counts(20)
    often = [t.repeat_interleave(10, 0) for t in (hit, union)]
    drives = [i // 10 for i in range(200)]
    once, strangers = bootstrap_miou(hit, union), bootstrap_miou(*often)
    grouped = bootstrap_miou(*often, groups=drives)
    assert strangers.high - strangers.low < 0.5 * (once.high - once.low)
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_a_class_missing_from_a_draw_does_not_count_there():
    hit, union = torch.tensor([[5, 0], [5, 8]]), torch.tensor([[10, 0], [10, 8]])
    found = bootstrap_miou(hit, union, resamples=500)
    assert (found.low, found.high) == (0.5, 0.75)  # 0.5 where only the first image was drawn


def test_a_difference_is_drawn_in_pairs():
    """A small gain on every image is certain, though the images differ by far more than that."""
    hit, union = counts()
    better = hit + union // 50
    gain = bootstrap_difference((better, union), (hit, union))
    alone, before = bootstrap_miou(better, union), bootstrap_miou(hit, union)
    assert gain.value == pytest.approx(alone.value - before.value)
    assert 0 < gain.low < gain.value < gain.high < 0.02
    assert alone.low < before.high  # apart, the two intervals overlap
    with pytest.raises(ValueError, match="both must be of the same images"):
        bootstrap_difference((hit, union), (hit[:5], union[:5]))


def test_mistakes_are_explained():
    hit, union = counts(5)
    with pytest.raises(ValueError, match="at least two of them to draw from, here is 1"):
        bootstrap_miou(hit, union, groups=["a"] * 5)
    with pytest.raises(ValueError, match="3 group marks for 5 images"):
        bootstrap_miou(hit, union, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="expected \\(n, K\\) both"):
        bootstrap_miou(hit, union[:4])
    with pytest.raises(ValueError, match="level is 95"):
        bootstrap_miou(hit, union, level=95)
    with pytest.raises(ValueError, match="are all labels 'ignore'"):
        bootstrap_miou(hit * 0, union * 0)
