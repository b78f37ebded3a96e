"""A finished training folder becomes one line of the ledger; an unfinished one is refused."""

import json
from dataclasses import asdict

import pytest

from segtutor.reproduce import ledger
from segtutor.reproduce.trainings import (
    markdown,
    record_training,
    total_seconds,
    training_record,
)
from segtutor.training.published import find_run, override

NAME = "camvid-segmenter-mask-tiny-16"


@pytest.fixture
def folder(tmp_path):
    run = {"name": "mine", "data": "camvid", "recipe": {"seed": 3, "steps": 200}}
    report = {
        "miou": 0.5, "pixel_accuracy": 0.9, "mean_accuracy": 0.6, "interval": None, "images": 4,
        "how": "windows", "classes": [{"name": "Sky", "iou": 0.5, "recall": 0.7, "pixels": 9}],
    }  # fmt: skip
    rows = [{"step": i, "loss": 2 / (i + 1), "lr": 1e-3, "seconds": 0.6 * i} for i in range(200)]
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "report.json").write_text(json.dumps(report))
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_the_line_holds_configuration_log_and_scores(folder):
    record_training(folder, folder / "ledger.jsonl")
    (line,) = ledger.read(folder / "ledger.jsonl")
    assert (line["run"], line["seed"], line["steps"], line["miou"]) == ("mine", 3, 200, 0.5)
    assert line["iou"] == {"Sky": 0.5} and line["config"]["recipe"]["steps"] == 200
    assert line["minutes"] == pytest.approx(0.6 * 199 / 60) and line["machine"]
    assert len(line["log"]) == 50 and line["log"][1] == [4, 0.4, 1e-3]


def test_an_unfinished_training_is_not_recorded(folder):
    (folder / "report.json").unlink()
    with pytest.raises(FileNotFoundError, match="no report.json: is the training finished"):
        training_record(folder)


def test_a_resumed_run_adds_up():
    assert total_seconds([{"seconds": t} for t in (1, 2, 5, 1, 3)]) == 8


def recorded(seed, miou, minutes, **changes):
    config = json.loads(json.dumps(asdict(override(find_run(NAME), changes))))
    config["recipe"]["class_weights"] = [seed]  # counted in the labels: no setting
    where = {"machine": "m", "commit": "abc"}
    return {"run": NAME, "seed": seed, "miou": miou, "minutes": minutes, "config": config, **where}


def test_the_table_joins_seeds_and_parts_settings():
    lines = [recorded(0, 0.5, 9.6, head_lr="2"), recorded(0, 0.6, 9.2), recorded(1, 0.62, 12.4)]
    head, rule, *rows = markdown(lines).splitlines()
    assert rows == [
        f"| `{NAME}` | 0, 1 | 61.0 | 60.0, 62.0 | 9 to 12 | m, abc |",
        f"| `{NAME}`, earlier settings | 0 | 50.0 | 50.0 | 10 | m, abc |",
    ]
    assert head.count("|") == rule.count("|") == rows[0].count("|")
    assert markdown([]) == "No training has been recorded yet."
