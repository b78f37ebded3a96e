"""Chapter 10's experiments: small, and different in the one factor only."""

import pytest
import torch

from segtutor.reproduce.experiments import ch10, compare, run_all


@pytest.mark.parametrize("experiment", ch10.EXPERIMENTS, ids=lambda e: e.name)
def test_smoke_run_of_every_variant(experiment, tmp_path):
    lines = run_all(experiment, seeds=1, profile="smoke", ledger=tmp_path / "runs.jsonl")
    assert [line["variant"] for line in lines] == list(experiment.variants)
    for metric in experiment.metrics:
        assert all(0 <= line[metric] <= 1 for line in lines)
        assert len(compare(lines, metric, experiment.variants[0])) == len(experiment.variants) - 1


def test_equal_image_and_equal_tokens_are_what_they_say():
    for profile in ("smoke", "cpu"):
        settings = ch10.PATCH_SIZE.sizes(profile)
        tokens, sizes = {}, {}
        for name, (patch, times, _) in ch10.PATCHES.items():
            height, width = ch10.resized(settings, times)
            assert height % patch == 0 and width % patch == 0 and min(height, width) >= 32
            tokens[name], sizes[name] = height * width // patch**2, (height, width)
        same_picture = [name for name in sizes if sizes[name] == tuple(settings.size)]
        same_tokens = [name for name in tokens if tokens[name] == tokens["/8"]]
        assert same_picture == ["/8", "/16", "/4"]
        assert same_tokens == [
            "/8",
            "/16, twice the sides",
            "/16, twice the sides, blurred",
            "/4, half the sides",
        ]


def test_a_blurred_picture_shows_what_the_smaller_one_shows():
    settings = ch10.PATCH_SIZE.sizes("smoke")
    bench = ch10.PATCH_SIZE.prepare(settings, None)
    sharp, blurred = bench.test[2][0], ch10.Blurred(bench.test[2])[0]
    assert blurred.image.shape == sharp.image.shape and blurred.image.dtype == sharp.image.dtype
    assert torch.equal(blurred.label, sharp.label)
    corners = blurred.image[:, ::2, ::2]
    assert torch.equal(corners, blurred.image[:, 1::2, 1::2])
    assert float((corners.float() - sharp.image[:, ::2, ::2].float()).abs().mean()) > 0.5


def test_pictures_of_all_sizes_show_the_same_scene():
    settings = ch10.PATCH_SIZE.sizes("smoke")
    bench = ch10.PATCH_SIZE.prepare(settings, None)
    labels = {times: data[0].label for times, data in bench.test.items()}
    small, large = labels[1], labels[2][::2, ::2]
    both = (small != 255) & (large != 255)
    assert float((small == large)[both].float().mean()) > 0.97


def test_rates_reach_the_blocks():
    settings = ch10.REGULARISATION.sizes("smoke")
    bench = ch10.REGULARISATION.prepare(settings, None)
    model = ch10.trained(
        bench.train, settings, 0, patch=8, image=settings.size, drop_path=0.1, dropout=0.2
    )
    assert [block.drop_path.rate for block in model.encoder.blocks] == [0.0, 0.1]
    assert {block.mlp.dropout for block in model.encoder.blocks} == {0.2}
