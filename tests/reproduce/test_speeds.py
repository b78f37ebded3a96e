"""Speeds of miniatures, beside the printed ones."""

import pytest

from segtutor.reproduce.ledger import append
from segtutor.reproduce.speeds import markdown, measure_speeds, newest, rank_correlation


def test_speeds_are_recorded_and_shown(tmp_path):
    ledger = tmp_path / "s.jsonl"
    assert markdown(ledger=ledger) == "No speed has been recorded yet."
    record = measure_speeds(ledger=ledger, rounds=1, batch=1)
    speeds = record["images_per_second"]
    assert len(speeds) == 7 and min(speeds.values()) > 0
    assert newest(ledger=ledger)["time"] == record["time"]
    text = markdown(ledger=ledger)
    assert text.count("\n| Seg-") == 7 and "| Seg-Ti/16 | 396 |" in text


def test_the_order_is_compared(tmp_path):
    names = {  # as fast as in the paper, one turned round
        "tiny-16": 40, "small-32": 100, "small-16": 20, "base-deit-16": 9, "base-32": 50,
        "base-8": 1, "large-16": 0.5,
    }  # fmt: skip
    speeds = {f"ade20k-segmenter-linear-{k}": v for k, v in names.items()}
    record = dict(speeds="segmenter-table-3", rounds=1, batch=1, crop=[9, 9])
    append(tmp_path / "s.jsonl", {**record, "images_per_second": speeds})
    assert "Rank correlation of the speeds: 0.96" in markdown(ledger=tmp_path / "s.jsonl")
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_the_command(tmp_path, monkeypatch, capsys):
    from segtutor.cli import main
    from segtutor.reproduce import speeds

    slow = dict(images_per_second={"x": 3.0})
    monkeypatch.setattr(speeds, "measure_speeds", lambda table, ledger: slow)
    assert main(["reproduce", "segmenter-table-3", "--speed", "--out", str(tmp_path)]) == 0
    assert "3.0 images/s" in capsys.readouterr().out
