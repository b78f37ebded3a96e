"""Chapter 11's experiment: the variants differ in the augmentation only."""

import pytest
import torch

from segtutor.data.transforms import apply
from segtutor.reproduce.experiments import ch11, compare, run_all

SIZE = (48, 64)


@pytest.fixture(scope="module")
def bench():
    return ch11.AUGMENTATION.prepare(ch11.AUGMENTATION.sizes("smoke"), None)


def drawn(variant, sample, seeds=range(12)):
    transform, found = ch11.transform_of(variant, SIZE), []
    for seed in seeds:
        torch.manual_seed(seed)
        found.append(apply(transform, sample))
    return found


def test_smoke_run_of_every_variant(tmp_path):
    experiment = ch11.AUGMENTATION
    lines = run_all(experiment, seeds=1, profile="smoke", ledger=tmp_path / "runs.jsonl")
    assert [line["variant"] for line in lines] == list(experiment.variants)
    for metric in experiment.metrics:
        assert all(0 <= line[metric] <= 1 for line in lines)
        assert len(compare(lines, metric, "none")) == len(experiment.variants) - 1


def test_none_is_the_scene_itself_and_every_variant_has_one_size(bench):
    sample = bench.train[0]
    for image, label in drawn("none", sample):
        assert torch.equal(label, sample.label)
        assert torch.equal(image, (sample.image.float() / 255 - 0.5) / 0.5)
    for variant in ch11.STEPS:
        assert {tuple(x.shape) for x, _ in drawn(variant, sample)} == {(3, *SIZE)}


@pytest.mark.parametrize("variant, axis", [("flip", -1), ("upside down", -2)])
def test_mirrors_move_photograph_and_labels_together(bench, variant, axis):
    sample = bench.train[1]
    image = (sample.image.float() / 255 - 0.5) / 0.5
    kinds = set()
    for x, y in drawn(variant, sample):
        turned = not torch.equal(y, sample.label)
        kinds.add(turned)
        assert torch.equal(y, sample.label.flip(axis) if turned else sample.label)
        assert torch.equal(x, image.flip(axis) if turned else image)
    assert kinds == {True, False}


def test_colours_leave_the_labels_alone_and_scales_do_not(bench):
    sample = bench.train[2]
    images, labels = zip(*drawn("colours", sample), strict=True)
    assert all(torch.equal(label, sample.label) for label in labels)
    assert len({float(image.mean()) for image in images}) > 6
    assert (
        len({float((label == 255).float().mean()) for _, label in drawn("all three", sample)}) > 6
    )
