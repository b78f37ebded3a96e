"""What the training notebooks share, on a miniature."""

from types import SimpleNamespace

import pytest

from segtutor.insight import gallery, iou_bars, iou_words
from segtutor.reproduce import full_run, read
from segtutor.training.published import RUNS, find_run, protocols

SETTINGS = SimpleNamespace(side=32, size=(24, 2, 2), steps=3, batch=2, lr=1e-3, backbone="")
NAME = "ade20k-segmenter-mask-tiny-16"


@pytest.fixture(autouse=True)
def nothing_else_is_found(monkeypatch, tmp_path):
    monkeypatch.delenv("SEGTUTOR_DATA", raising=False)
    monkeypatch.setenv("SEGTUTOR_CACHE", str(tmp_path / "cache"))


def test_a_place_says_what_it_is(tmp_path):
    place = full_run.open_place("ade20k", None, tmp_path, generate=False, count=2)
    assert place.generated and "because ade20k is not here" in place.sentence
    there = full_run.open_place("ade20k", place.root, tmp_path / "b", generate=False)
    assert not there.generated and "2 of train, 2 of val" in there.sentence
    asked = full_run.open_place("ade20k", place.root, tmp_path / "b", generate=True, count=2)
    assert asked.generated and "because this profile asks for it" in asked.sentence
    with pytest.raises(FileNotFoundError, match="A recipe needs the real data: `segtutor data"):
        full_run.open_place("cityscapes", None, tmp_path, generate=True, needed=True)


def test_a_shrunk_run_differs_only_where_it_says():
    run = full_run.choose_run("ade20k", NAME, "", SETTINGS, 3)
    published = find_run(NAME)
    changed = {key for key, _, _ in full_run.differences(run, published)}
    assert {"model.image", "model.size", "recipe.steps", "recipe.seed", "backbone"} <= changed
    assert changed & {"data", "splits", "test", "pipeline", "model.decoder"} == set()
    assert run.base == (128, 32) and protocols(run)[0].bounds == (128, 32)
    assert full_run.choose_run("ade20k", "-", NAME, SETTINGS, 0) == published
    with pytest.raises(ValueError, match="is a run on ade20k, this notebook is about cityscapes"):
        full_run.choose_run("cityscapes", NAME, "", SETTINGS, 0)


@pytest.mark.parametrize("name", [n for n in RUNS if n.endswith("0k") and "setr" in n][:8])
def test_setr_keeps_its_protocol_at_its_own_crop_only(name):
    published = find_run(name)
    options = dict(size="tiny", steps=9, batch=2, lr=1e-3, backbone="")
    assert full_run.shrunk(published, side=64, **options).test == "own"
    same = full_run.shrunk(published, side=published.crop[0], **options)
    assert same.test == "setr" and same.base == published.base
    assert len(same.model.aux_layers) == len(published.model.aux_layers)


def test_from_a_place_to_a_ledger_line(tmp_path):
    place = full_run.open_place("ade20k", None, tmp_path, generate=True, count=2)
    run, parts = full_run.ready(full_run.choose_run("ade20k", NAME, "", SETTINGS, 0), place.root)
    history = full_run.train_run(run, place.root, tmp_path / "run")
    assert [row["step"] for row in history] == [0, 1, 2]
    assert len(full_run.train_run(run, place.root, tmp_path / "run")) == 3  # nothing left to do
    model = full_run.trained_model(tmp_path / "run")
    found = full_run.both_tests(model, parts.test_data, run, limit=2, batch=4)
    assert found["multi"]["protocol"]["flip"] and not found["single"]["protocol"]["flip"]
    table = full_run.comparison(run, find_run(NAME), found)
    assert "| single | 2 |" in table and "38.10" in table and "38.80" in table
    seen = full_run.look_again(model, parts.test_data, run, found["single"]["worst"])
    assert seen[0][0].name == found["single"]["worst"][0]["image"]
    line = full_run.record(
        tmp_path / "l.jsonl", run, place, history, found, notebook="n", profile="smoke"
    )
    assert read(tmp_path / "l.jsonl")[0]["run"] == f"{NAME}, shrunk"
    assert line["data"] == "miniature of ade20k" and line["settings"]["recipe.steps"] == "3"

    data = parts.test_data
    rows = [(s.image, {"truth": s.label, "answer": p}, s.name) for s, p in seen]
    figure = gallery(rows, data.classes, data.palette)
    assert len(figure.axes) == 3 * len(rows) and figure.legends[0].get_texts()
    assert len(iou_bars(found["single"]).axes[0].patches) <= 30
    assert "IoU of" in iou_words(found["single"])


def test_weights_that_are_not_to_be_had(tmp_path, monkeypatch):
    place = full_run.open_place("ade20k", None, tmp_path, generate=True, count=2)
    settings = SimpleNamespace(**{**vars(SETTINGS), "size": "tiny", "backbone": "x"})

    def without(run, root):
        if run.backbone:
            raise FileNotFoundError("no weights, no network")
        return run.name

    monkeypatch.setattr(full_run, "assemble", without)
    run, _ = full_run.ready(full_run.choose_run("ade20k", NAME, "", settings, 0), place.root)
    assert run.backbone == ""
    with pytest.raises(FileNotFoundError, match="no network"):
        full_run.ready(find_run(NAME), place.root)
