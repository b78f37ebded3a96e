"""Chapter 08's experiments: small, and different in the one factor only."""

import pytest
import torch

from segtutor.reproduce.experiments import ch08, compare, run_all


@pytest.mark.parametrize("experiment", ch08.EXPERIMENTS, ids=lambda e: e.name)
def test_smoke_run_of_every_variant(experiment, tmp_path):
    lines = run_all(experiment, seeds=1, profile="smoke", ledger=tmp_path / "runs.jsonl")
    assert [line["variant"] for line in lines] == list(experiment.variants)
    for metric in experiment.metrics:
        assert all(0 <= line[metric] <= 1 for line in lines)
        assert len(compare(lines, metric, experiment.variants[0])) == len(experiment.variants) - 1


def test_on_and_off_start_from_the_same_numbers():
    settings = ch08.RANDOM.sizes("smoke")
    options = dict(patch=8, image=settings.size, normalisation="half")
    off, on = (ch08.with_or_without(settings, 8, heads, 0, **options) for heads in (False, True))
    extra = {name for name in on.state_dict() if name not in off.state_dict()}
    assert extra and all(name.startswith("auxiliary.") for name in extra)
    assert all(
        torch.equal(value, on.state_dict()[name]) for name, value in off.state_dict().items()
    )


def test_heads_change_what_is_learned():
    settings = ch08.RANDOM.sizes("smoke")
    bench = ch08.RANDOM.prepare(settings, None)
    from segtutor.reproduce.experiments.whole import fit

    pasts = []
    for heads in (False, True):
        model = ch08.with_or_without(
            settings, 8, heads, 0, patch=8, image=settings.size, normalisation="half"
        )
        pasts.append(fit(model, bench.train, ch08.recipe(settings, 0)))
    off, on = pasts
    assert off[0]["main"] == on[0]["main"] and off[0]["total"] == off[0]["main"]
    assert on[0]["total"] > on[0]["main"] and off[-1]["main"] != on[-1]["main"]
