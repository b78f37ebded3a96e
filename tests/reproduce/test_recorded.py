"""The committed ledger holds what the tables show: all variants, five seeds, one series."""

import pytest

from segtutor.reproduce.experiments import find, known, recorded

EXPERIMENTS = [e for chapter in known() for e in find(chapter)]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_every_variant_was_run_with_five_seeds_and_the_settings_of_the_code(experiment):
    lines = recorded(experiment)
    assert lines, f"run: segtutor reproduce experiment {experiment.name.split('-')[0]}"
    runs = [(line["variant"], line["seed"]) for line in lines]
    assert len(runs) == len(set(runs)), "a run is recorded twice"
    for variant in experiment.variants:
        assert {seed for v, seed in runs if v == variant} >= set(range(5)), variant
    now = {
        k: list(v) if isinstance(v, tuple) else v for k, v in vars(experiment.sizes("cpu")).items()
    }
    assert lines[0]["settings"] == now, "the settings have changed since: run it again"
    for line in lines:
        assert all(0 <= line[metric] <= 1 for metric in experiment.metrics)
        assert line["commit"] and not line["dirty"]
