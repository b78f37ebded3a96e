"""Chapter 15's experiment: it runs, cuts what it says; without attention nothing changes."""

from __future__ import annotations

import pytest
import torch

from segtutor.insight.capture import capture
from segtutor.models import segmenter_linear
from segtutor.reproduce.experiments import find, run_all
from segtutor.reproduce.experiments.ch15 import (
    FAITHFULNESS,
    MODEL,
    VARIANTS,
    changes,
    edited,
    lost_pairs,
    ranked,
    without,
)

GRID = (3, 5)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = segmenter_linear(4, (16, 2, 2), patch=8, image=(24, 40), drop_path=0.0).eval()
    torch.nn.init.normal_(model.decoder.head.weight)  # else its answers hardly differ
    for block in model.encoder.blocks:
        torch.nn.init.normal_(block.attn.qkv.weight)
    return model


@pytest.fixture
def image():
    return torch.randint(0, 256, (3, 24, 40), generator=torch.Generator().manual_seed(1)).byte()


def test_every_variant_runs_and_is_recorded(tmp_path):
    lines = run_all(FAITHFULNESS, seeds=2, profile="smoke", ledger=tmp_path / "runs.jsonl")
    assert [line["variant"] for line in lines] == 2 * list(VARIANTS)
    assert all(0 <= line[metric] <= 1 for line in lines for metric in FAITHFULNESS.metrics)
    assert find("15") == [FAITHFULNESS]


def test_its_model_is_not_that_of_the_pages(monkeypatch):
    """Exhibits may be made smaller; the recorded runs are of the model that was recorded."""
    monkeypatch.setattr("segtutor.reproduce.exhibitmaking.SIZES", None)
    monkeypatch.setattr("segtutor.reproduce.exhibits.exhibits", None)
    settings = FAITHFULNESS.sizes("smoke")
    settings.groups = settings.group = settings.queries = 1
    one, two = (FAITHFULNESS.prepare(settings, None).model for _ in range(2))
    for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    made = {k: MODEL["cpu"][k] for k in ("crops", "steps", "batch", "lr")}
    assert made == dict(crops=240, steps=110, batch=8, lr=2e-3)  # of results/chapter15.jsonl
    assert MODEL["cpu"]["camvid"]["size"] == (240, 320)


def test_at_least_fifty_photographs():
    cpu = FAITHFULNESS.sizes("cpu")
    assert cpu.groups * cpu.group >= 50 and cpu.groups >= 5


def test_without_equals_a_loop():
    weights = torch.rand(2, 3, 6, 6).softmax(-1)
    lost = lost_pairs(torch.tensor([[0, 2], [4, 1]]), torch.tensor([3, 4]), 6, 1, everyone=False)
    got = without(weights, lost)
    for b, (query, gone) in enumerate(((3, (0, 2)), (4, (4, 1)))):
        for reader in range(6):
            row = weights[b, :, reader].clone()
            if reader == 1 + query:
                for patch in gone:
                    if patch != query:  # a patch never loses itself
                        row[:, 1 + patch] = 0
            torch.testing.assert_close(got[b, :, reader], row / row.sum(-1, keepdim=True))


def test_everyone_loses_them_but_themselves():
    lost = lost_pairs(torch.tensor([[1, 3]]), torch.tensor([0]), 5, 1, everyone=True)[0]
    for reader in range(5):
        for read in range(5):
            assert lost[reader, read] == (read in (2, 4) and reader != read)


def test_an_edit_that_changes_nothing_changes_nothing(model, image):
    before = model.encoder.blocks[0].attn.fused
    x = torch.randn(1, 3, 24, 40)
    with torch.no_grad():
        plain = model(x)
        with edited(model.encoder, lambda layer, weights: weights):
            torch.testing.assert_close(model(x), plain, atol=1e-5, rtol=1e-4)
    assert model.encoder.blocks[0].attn.fused == before
    with capture(model, "encoder.blocks.*.attn"):
        assert not model.encoder.blocks[0].attn.fused


def test_changes_are_those_of_a_photograph_alone(model, image):
    queries, chosen = torch.tensor([2, 11]), torch.tensor([[0, 1, 7], [5, 3, 9]])
    with torch.no_grad():
        moved, flipped = changes(model, image, queries, chosen, everyone=True)
        for b in range(2):
            alone, flip = changes(model, image, queries[[b]], chosen[[b]], everyone=True)
            torch.testing.assert_close(alone[0], moved[b], atol=1e-5, rtol=1e-4)
            assert flip[0] == flipped[b]
    assert (moved > 1e-4).all() and (moved <= 1).all()


def test_a_model_that_hears_nothing_does_not_change(model, image):
    for block in model.encoder.blocks:
        torch.nn.init.zeros_(block.attn.proj.weight)  # attention adds nothing
    with torch.no_grad():
        moved, flipped = changes(
            model, image, torch.tensor([4]), torch.tensor([[1, 2, 3]]), everyone=True
        )
    assert moved.item() < 1e-6 and not flipped.any()


def test_orders():
    maps = {"last layer": torch.arange(15.0), "mean of layers": torch.arange(15.0).flip(0)}
    assert ranked("last layer", maps, 14, GRID, 0)[:2].tolist() == [13, 12]
    assert ranked("mean of layers", maps, 3, GRID, 0)[:4].tolist() == [0, 1, 2, 4]
    assert ranked("least attended", maps, 3, GRID, 0)[0] == 14
    assert set(ranked("nearest", maps, 7, GRID, 0)[:4].tolist()) == {2, 6, 8, 12}
    one, two = (ranked("random", maps, 7, GRID, seed) for seed in (0, 1))
    assert sorted(one.tolist()) == [n for n in range(15) if n != 7] and not torch.equal(one, two)
    assert torch.equal(one, ranked("random", maps, 7, GRID, 0))


def test_groups_end():
    with pytest.raises(ValueError, match="no group 5"):
        FAITHFULNESS.run(None, FAITHFULNESS.sizes("cpu"), "random", 5)
