"""Chapter 09's experiment: it runs, and its variants differ in the one factor only."""

from __future__ import annotations

import pytest
import torch

from segtutor.reproduce.experiments import find, run_all
from segtutor.reproduce.experiments.ch09 import DECODERS, VARIANTS, model_of


@pytest.fixture(scope="module")
def settings():
    return DECODERS.sizes("smoke")


@pytest.fixture(scope="module")
def bench(settings):
    return DECODERS.prepare(settings, None)


def names(bench, settings, variant, seed=0):
    """Name -> tensor of everything that is trained in this variant."""
    model = model_of(bench, variant, settings, seed)
    assert model.encoder is bench.encoder
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def test_every_variant_runs_and_is_recorded(tmp_path):
    lines = run_all(DECODERS, seeds=1, profile="smoke", ledger=tmp_path / "runs.jsonl")
    assert [line["variant"] for line in lines] == list(VARIANTS)
    for line in lines:
        assert all(0 <= line[metric] <= 1 for metric in DECODERS.metrics)
    assert find("09") == [DECODERS]


def test_variants_differ_in_what_their_names_say(bench, settings):
    mask = names(bench, settings, "mask")
    for variant, lacks in (
        ("mask without class-norm", ("class_norm",)),
        ("mask, cosines times ten", ("class_norm",)),
        ("mask, no block", ("blocks.",)),
    ):
        wanted = {n for n in mask if not any(part in n for part in lacks)}
        assert set(names(bench, settings, variant)) == wanted, variant
    control = names(bench, settings, "two blocks, then linear")
    shared = {n for n in mask if any(part in n for part in ("enter", "blocks", "decoder.norm"))}
    assert set(control) == shared | {"decoder.head.weight", "decoder.head.bias"}
    for same in ("mask without class-norm", "mask, cosines times ten", "two blocks, then linear"):
        other = names(bench, settings, same)
        assert all(torch.equal(mask[n], other[n]) for n in set(mask) & set(other)), same
    assert set(names(bench, settings, "linear")) == {"decoder.head.weight", "decoder.head.bias"}


def test_times_ten_is_ten_times_the_cosines(bench, settings):
    encoded, _ = bench.train.take(slice(0, 2))
    with torch.no_grad():
        plain, ten = (
            model_of(bench, variant, settings, 0).decoder.eval()(encoded)
            for variant in ("mask without class-norm", "mask, cosines times ten")
        )
    torch.testing.assert_close(ten, 10 * plain)


def test_seeds_differ_and_repeat(bench, settings):
    first, again, other = (DECODERS.measure(bench, settings, "mask", seed) for seed in (0, 0, 1))
    drop = ("minutes", "seed")
    values = [{k: v for k, v in line.items() if k not in drop} for line in (first, again, other)]
    assert values[0] == values[1] != values[2]
