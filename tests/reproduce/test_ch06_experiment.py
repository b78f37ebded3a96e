"""Chapter 06's experiment: three decoders that differ in what they are said to differ in."""

import pytest
import torch

from segtutor.reproduce.experiments import run_all
from segtutor.reproduce.experiments.ch06 import BOUNDARIES, ONE_JUMP, model_of


@pytest.fixture(scope="module")
def bench():
    settings = BOUNDARIES.sizes("smoke")
    return BOUNDARIES.prepare(settings, None), settings


def test_one_jump_is_pup_without_the_doublings(bench):
    bench, settings = bench
    pup, one_jump = (model_of(bench, settings, v, seed=3).decoder for v in ("PUP", ONE_JUMP))
    assert [s.scale for s in pup.stages] == [2, 2, 2, 1]
    assert [s.scale for s in one_jump.stages] == [1, 1, 1, 1]
    for (name, a), (other, b) in zip(
        pup.named_parameters(), one_jump.named_parameters(), strict=True
    ):
        assert name == other
        torch.testing.assert_close(a, b, msg=name)
    encoded, _ = bench.test.take(slice(0, 1))
    h, w = encoded.grid
    assert pup(encoded).shape[-2:] == (8 * h, 8 * w) and one_jump(encoded).shape[-2:] == (h, w)


def test_every_variant_reads_the_same_frozen_encoder(bench):
    bench, settings = bench
    models = [model_of(bench, settings, v, seed=0) for v in BOUNDARIES.variants]
    assert all(m.encoder is bench.encoder and not m.auxiliary for m in models)
    assert not any(p.requires_grad for p in bench.encoder.parameters())
    assert len({m.config.hidden for m in models}) == 1


def test_smoke_runs_are_recorded_once_and_repeat(tmp_path):
    ledger = tmp_path / "chapter06.jsonl"
    lines = run_all(BOUNDARIES, seeds=1, profile="smoke", ledger=ledger)
    assert [line["variant"] for line in lines] == list(BOUNDARIES.variants)
    assert all(0 <= line[m] <= 1 for line in lines for m in BOUNDARIES.metrics)
    again = run_all(BOUNDARIES, seeds=1, profile="smoke", ledger=ledger)
    assert again == lines and len(ledger.read_text().splitlines()) == len(lines)
