"""A finished training folder becomes one line of the ledger; an unfinished one is refused."""

import json
from dataclasses import asdict

import pytest
import torch

from segtutor.reproduce import ledger
from segtutor.reproduce.trainings import (
    fingerprint,
    markdown,
    overrides_of,
    record_evaluation,
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


class Two:
    """A data set of two samples."""

    name, classes, ignore, names = "two", ("a", "b"), 255, ["x", "y"]

    def __init__(self, shade=0):
        self.shade = shade

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.full((3, 2, 2), self.shade), torch.zeros(2, 2), "x"


def test_the_line_says_what_was_overridden_on_which_data(tmp_path, folder):
    config = json.loads(json.dumps(asdict(override(find_run(NAME), {"steps": "9", "seed": "3"}))))
    config["recipe"]["class_weights"] = [1.0, 2.0]  # counted in the labels
    (folder / "run.json").write_text(json.dumps({**config, "weights": "w", "segtutor": "0.1"}))
    line = record_training(folder, tmp_path / "l.jsonl", data=(Two(),))
    assert line["overrides"] == {"recipe.steps": 9, "recipe.seed": 3}
    assert line["data_fingerprint"] == fingerprint([Two()]) != fingerprint([Two(shade=1)])
    assert fingerprint([Two(), Two()]) != fingerprint([Two()]) and line["peak_memory_mib"] > 50
    before = line["log_sha256"]
    with open(folder / "log.jsonl", "a") as log:
        log.write('{"step": 200, "loss": 0, "lr": 0, "seconds": 121}\n')
    assert training_record(folder)["log_sha256"] != before and len(before) == 64
    assert overrides_of({"name": "nobody's"}) == {}


def test_an_evaluation_has_a_line_of_its_own(tmp_path, folder):
    report = json.loads((folder / "report.json").read_text()) | {"data": "camvid test"}
    report["by_size"] = {"small": {"miou": 0.25, "classes": ["Sky"]}}
    path = tmp_path / "l.jsonl"
    line = record_evaluation(report, folder / "model.safetensors", path, scale="MS")
    assert (line["run"], line["seed"], line["scale"], line["miou"]) == ("mine", 3, "MS", 0.5)
    assert line["by_size"] == {"small": 0.25} and "config" not in line
    assert markdown(ledger.read(path)) == "No training has been recorded yet."
    line = record_evaluation(report, tmp_path / "else" / "a.safetensors", path, scale="SS")
    assert line["model"] == "a.safetensors" and "run" not in line


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
