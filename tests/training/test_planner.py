"""Peaks against measured ones, hours by hand, the ladder rung by rung, the two commands."""

from dataclasses import replace
from pathlib import Path

import pytest

from segtutor.cli import main
from segtutor.commands.plan import error_in_words
from segtutor.commands.recipes import details, recipe_table
from segtutor.reproduce.ledger import read
from segtutor.training.ladder import as_text, ladder
from segtutor.training.measure import SETTINGS, measured_peak, predicted_peak
from segtutor.training.planner import CARDS, SHARE, Card, card, forward_flops, hours, need
from segtutor.training.published import find_run, override

MEASURED = Path(__file__).parents[2] / "results" / "planner.jsonl"
BASE = find_run("ade20k-segmenter-linear-base-16")
LARGE = find_run("ade20k-segmenter-mask-large-16-640")


def test_predicted_within_15_percent_of_recorded_peaks():
    recorded = {r["setting"]: r["measured"] for r in read(MEASURED)}
    assert set(recorded) == set(SETTINGS) and len(recorded) >= 5
    for name, measured in recorded.items():
        assert predicted_peak(*SETTINGS[name]) == pytest.approx(measured, rel=0.15), name
    assert "6 trainings on" in error_in_words(MEASURED)
    assert "not compared" in error_in_words(Path("nowhere.jsonl"))


def test_one_peak_measured_now():
    config, recipe = SETTINGS["linear tiny 512"]
    config = replace(config, image=(320, 320))
    measured = measured_peak(config, recipe)
    assert predicted_peak(config, recipe) == pytest.approx(measured, rel=0.15)


def test_hours_by_hand():
    D, N, T = 768, 1024, 1025
    flops = 2 * (12 * (12 * T * D**2 + 2 * T**2 * D) + N * 768 * D + N * D * 150)
    assert forward_flops(BASE.model) == flops
    seconds = 3 * flops * 8 * 161_728 / (312e12 * SHARE)
    assert hours(BASE, CARDS["80gb"]) == pytest.approx(seconds / 3600)
    assert hours(BASE, CARDS["80gb"], 4) == pytest.approx(seconds / 4 / 3600)
    slow = override(BASE, {"checkpoint_activations": "true"})
    assert 1.25 < hours(slow, CARDS["80gb"]) / hours(BASE, CARDS["80gb"]) < 1.34
    frozen = override(BASE, {"frozen": "12"})
    assert hours(frozen, CARDS["80gb"]) < 0.4 * hours(BASE, CARDS["80gb"])


def climb(run, gib, best="bfloat16"):
    return ladder(run, Card("a card", gib, {best: 100.0, "float32": 20.0}))


def test_the_ladder_in_its_order_until_something_fits():
    run = override(LARGE, {"precision": "float32"})
    tops = [climb(run, gib)[-1] for gib in (200, 15, 7.0, 3.0)]
    assert [top.fits for top in tops] == [True] * 4
    assert tops[0].changes == {}
    assert set(tops[1].changes) == {"accumulate"}
    assert set(tops[2].changes) == {"accumulate", "checkpoint_activations"}
    for low, high in zip(tops[1:], tops, strict=False):
        assert low.need < high.need
    for top in tops:
        assert run.recipe.batch % top.run.recipe.accumulate == 0
        assert override(run, top.changes).recipe == top.run.recipe
        assert override(run, top.changes).model == top.run.model
    words = [rung.what.split(",")[0] for rung in climb(run, 3.0)]
    assert words[:4] == ["as it is", "accumulate", "checkpoint activations", "bfloat16"]
    assert words[4].startswith("crop of 480x480") and words[5] == "crop of 320x320"
    assert words[-1] == "base encoder"
    assert not climb(run, 0.5)[-1].fits


@pytest.mark.parametrize("name", ["ade20k-setr-naive-large-160k", "ade20k-setr-mla-large-160k-bs8"])
def test_smaller_setr_models_have_their_own_auxiliary_heads(name):
    top = climb(find_run(name), 3.0)[-1]
    assert top.fits and top.run.model.size == "base" and top.run.backbone == "setr-vit-base"
    assert override(find_run(name), top.changes).model == top.run.model


def test_many_gpus_share_the_batch_and_with_fsdp_the_states():
    on = CARDS["24gb"]
    assert need(LARGE, on, 8) < need(LARGE, on, 1)
    assert need(LARGE, on, 8, sharded=True) < 0.6 * need(LARGE, on, 8)
    with pytest.raises(ValueError, match="a batch of 8 cannot be shared by 3 processes"):
        ladder(LARGE, on, 3)


def test_text_says_what_to_type():
    text = as_text(LARGE, Card("a card", 10.0, {"float16": 60.0, "float32": 8.0}))
    assert "segtutor train ade20k-segmenter-mask-large-16-640 --override accumulate=" in text
    setr = as_text(find_run("ade20k-setr-pup-large-160k"), CARDS["t4"])
    assert "BatchNorm then sees" in setr
    tiny = Card("a card", 0.3, {"float32": 1.0})
    assert "Nothing on the ladder fits" in as_text(LARGE, tiny)
    with pytest.raises(ValueError, match="unknown card '3090'; there are t4"):
        card("3090")
    assert card("cpu").memory > 1 and not card("cpu").cuda


def test_commands(capsys, monkeypatch):
    monkeypatch.setattr("segtutor.training.planner._flops", lambda config: 10**9)
    assert main(["recipes", "cityscapes-segmenter"]) == 0
    out = capsys.readouterr().out
    assert "cityscapes-segmenter-mask-large-16-paper" in out and "81.30" in out
    assert "an assumed 35%" in out
    assert main(["recipes", BASE.name]) == 0
    out = capsys.readouterr().out
    assert "expect      48.06 single scale (Segmenter, tables 3, 4)" in out
    assert "lr=0.001" in out and BASE.choice in out
    assert main(["plan", BASE.name, "--gpu", "t4", "--override", "batch=16"]) == 0
    assert "steps of 16 crops of 512x512, float16" in capsys.readouterr().out
    assert main(["plan", "ade20k-segmenter"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert main(["recipes", "vgg"]) == 2
    assert main(["plan"]) == 2
    assert recipe_table("camvid").count("camvid-") == 5
    assert "frozen      the first 6 blocks" in details("camvid-segmenter-mask-tiny-16")
