"""Chapter 07's experiment: a level that is dropped is gone, and nothing else changes."""

from dataclasses import replace

import pytest
import torch

from segtutor.decoders import mla_layers
from segtutor.reproduce.experiments import run_all
from segtutor.reproduce.experiments.ch07 import (
    ALL,
    LEVELS,
    SAME,
    WITHOUT,
    model_of,
    taps_of,
    with_same_levels,
)


@pytest.fixture(scope="module")
def bench():
    settings = LEVELS.sizes("smoke")
    return LEVELS.prepare(settings, None), settings


def test_variants_read_the_blocks_they_say():
    assert taps_of(12, ALL) == taps_of(12, SAME) == (2, 5, 8, 11)
    assert taps_of(12, "without level 1") == (5, 8, 11)
    assert taps_of(12, "without level 4") == (2, 5, 8)
    assert taps_of(4, "without level 2") == (0, 2, 3)


def test_models_differ_in_their_levels_only(bench):
    bench, settings = bench
    models = {v: model_of(bench, settings, v, seed=0) for v in LEVELS.variants}
    assert len({replace(m.config, taps=()) for m in models.values()}) == 1
    assert all(m.encoder is bench.encoder for m in models.values())
    assert models[ALL].config == models[SAME].config
    for variant in WITHOUT:
        model = models[variant]
        assert len(model.neck.layers) == len(model.decoder.streams) == 3
        assert model.decoder.classify.in_channels == 3 * settings.head_hidden


@pytest.mark.parametrize("variant", WITHOUT)
def test_a_dropped_level_does_not_reach_the_scores(bench, variant):
    bench, settings = bench
    model = model_of(bench, settings, variant, seed=0).eval()
    encoded, _ = bench.test.take(slice(0, 1))
    before = model.decode(encoded, bench.test.size).scores
    for level, block in enumerate(mla_layers(bench.encoder.depth)):
        kept = encoded.layers[block]
        encoded.layers[block] = torch.randn_like(kept)
        same = torch.equal(model.decode(encoded, bench.test.size).scores, before)
        assert same == (level == WITHOUT[variant]), (variant, level)
        encoded.layers[block] = kept


def test_the_control_reads_the_deepest_block_four_times(bench):
    bench, _ = bench
    same = with_same_levels(bench.train)
    deepest = bench.train.layers[max(bench.train.layers)]
    assert list(same.layers) == list(bench.train.layers)
    assert all(tokens is deepest for tokens in same.layers.values())
    assert len({id(t) for t in bench.train.layers.values()}) == 4  # the bench itself is as it was


def test_smoke_runs_are_recorded_once(tmp_path):
    ledger = tmp_path / "chapter07.jsonl"
    lines = run_all(LEVELS, seeds=1, profile="smoke", ledger=ledger)
    assert [line["variant"] for line in lines] == list(LEVELS.variants)
    assert all(0 <= line[m] <= 1 for line in lines for m in LEVELS.metrics)
    assert run_all(LEVELS, seeds=1, profile="smoke", ledger=ledger) == lines
