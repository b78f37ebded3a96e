"""Ledgers shown, checked, repaired, compared; and the committed ones stand the check."""

import json

import pytest

from segtutor.cli import main
from segtutor.reproduce import append, read
from segtutor.reproduce.ledger_tools import (
    chosen,
    diff,
    diff_text,
    flat,
    keep,
    metrics,
    name_of,
    repair,
    table,
    verify,
)
from tests.conftest import ROOT

LEDGERS = sorted((ROOT / "results").glob("*.jsonl"))


def line(**changes) -> dict:
    record = {
        "schema": 2, "time": "2026-01-02T03:04:05+00:00", "run": "a-run", "data": "camvid",
        "seed": 0, "steps": 100, "minutes": 2.5, "miou": 0.5, "iou": {"Sky": 0.9, "Pole": None},
        "config": {"recipe": {"lr": 0.1, "class_weights": [1]}}, "log": [[0, 2.0, 0.1]],
        "versions": {"torch": "2.6"}, "machine": "m", "device": "cpu", "commit": "abc",
        "dirty": False,
    }  # fmt: skip
    return {**record, **changes}


def write(path, *lines):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    return path


def test_a_record_has_a_name_settings_and_results():
    record = line()
    assert name_of(record) == (("run", "a-run"), ("seed", "0"))
    assert chosen(record) == {"data": "camvid", "config.recipe.lr": 0.1, "steps": 100}
    assert metrics(record) == {"minutes": 2.5, "miou": 0.5, "iou.Sky": 0.9}
    assert flat({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}


def test_a_sound_ledger_has_no_findings(tmp_path):
    assert verify(write(tmp_path / "l.jsonl", line(), line(seed=1), line(run="b"))) == []


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"dirty": True}, "doubt", "code that was not committed, on top of abc"),
        ({"commit": None}, "doubt", "commit is not known"),
        ({"schema": 99}, "error", "written with schema 99"),
        ({"schema": True}, "error", "schema True, expected a whole number"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(tmp_path, changes, level, text):
    path = write(tmp_path / "l.jsonl", line(), line(seed=1, **changes))
    (finding,) = verify(path)
    assert (finding.level, finding.line) == (level, 2) and text in finding.text


def test_a_run_written_twice_is_found(tmp_path):
    again = line(time="later", minutes=3.0, commit="def", machine="other")
    again["config"] = {"recipe": {"lr": 0.1, "class_weights": [2]}}
    path = write(tmp_path / "l.jsonl", line(), line(steps=200), again, line(miou=0.51))
    found = [(f.line, f.text) for f in verify(path)]
    assert found == [
        (3, "the run of line 1 again, with equal results"),
        (4, "the run of line 1 again, with other results"),
    ]


def test_torn_lines_are_found_and_set_aside(tmp_path, capsys):
    path = tmp_path / "l.jsonl"
    whole = [json.dumps(line(seed=seed)) for seed in range(3)]
    path.write_text("\n".join([whole[0], whole[1][:50], whole[1], whole[2][:-9]]))
    before = path.read_bytes()
    assert [(f.level, f.line) for f in verify(path)] == [("error", 2), ("error", 4)]
    assert path.read_bytes() == before, "looking changes nothing"
    assert main(["ledger", "verify", str(path)]) == 1
    assert "4 lines, 2 errors, 0 doubts" in capsys.readouterr().out
    assert main(["ledger", "verify", "--repair", str(path)]) == 0
    assert "line 4 was cut in half" in capsys.readouterr().out
    assert path.read_text() == f"{whole[0]}\n{whole[1]}\n"
    torn = [json.loads(t) for t in (tmp_path / "l.jsonl.torn").read_text().splitlines()]
    assert [(t["line"], t["text"]) for t in torn] == [(2, whole[1][:50]), (4, whole[2][:-9])]
    assert repair(path) == [] and len(read(path)) == 2


def test_verify_counts_doubts_only_when_strict(tmp_path, capsys):
    path = str(write(tmp_path / "l.jsonl", line(dirty=True)))
    assert main(["ledger", "verify", path]) == 0 and main(["ledger", "verify", "--strict", path])
    assert "1 lines, 0 errors, 1 doubts" in capsys.readouterr().out
    assert main(["ledger", "verify", str(tmp_path / "none.jsonl")]) == 2
    assert "there is no ledger" in capsys.readouterr().err


def test_show_filters_and_chooses_columns(tmp_path, capsys):
    path = str(write(tmp_path / "l.jsonl", line(), line(seed=1, dirty=True), line(run="b", miou=1)))
    assert main(["ledger", "show", path, "--where", "run=a-*", "seed=1"]) == 0
    head, row, count = capsys.readouterr().out.splitlines()
    assert head.split() == ["time", "what", "seed", "steps", "miou", "minutes", "commit"]
    assert row.split() == ["2026-01-02T03:04", "a-run", "1", "100", "0.5", "2.5", "abc", "(dirty)"]
    assert count == "1 records"
    assert main(["ledger", "show", path, "--columns", "run, versions.torch, iou.Pole"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["a-run", "2.6", "-"]
    assert main(["ledger", "show", path, "--columns", "nothing"]) == 2
    assert "no record has 'nothing'; there are schema, time, run" in capsys.readouterr().err
    assert main(["ledger", "show", path, "--where", "seed"]) == 2
    assert "'seed' is no filter: expected KEY=VALUE" in capsys.readouterr().err
    assert keep(read(path), ["seed=*"]) == read(path) and table([]).endswith("0 records")


def test_two_ledgers_side_by_side(tmp_path):
    a = write(tmp_path / "a.jsonl", line(), line(seed=1), line(seed=2))
    changed = line(miou=0.53, machine="n", steps=150)
    b = write(tmp_path / "b.jsonl", line(miou=0.1), changed, line(seed=1), line(run="new"))
    both, only_a, only_b = diff(a, b)
    assert [dict(d.name)["seed"] for d in both] == ["0", "1"]
    assert both[0].settings == {"steps": (100, 150)} and both[0].place == {"machine": ("m", "n")}
    assert both[0].metrics["miou"] == (0.5, 0.53)  # the last line of a run counts
    assert both[1].settings == both[1].place == {}
    assert (only_a, only_b) == (
        [(("run", "a-run"), ("seed", "2"))], [(("run", "new"), ("seed", "0"))],
    )  # fmt: skip
    text = diff_text(a, b)
    assert "  setting: steps: 100 -> 150\n  made with: machine: m -> n" in text
    assert "  miou: 0.5 -> 0.53 (+0.03)\n  2 of 3 results are equal" in text
    assert "  3 of 3 results are equal to the last digit" in text
    assert text.endswith("2 runs stand in both, 1 and 1 in one")


@pytest.mark.parametrize("path", LEDGERS, ids=lambda path: path.name)
def test_committed_ledgers_have_no_errors_and_no_run_twice(path, capsys):
    assert main(["ledger", "verify", str(path)]) == 0
    assert main(["ledger", "show", str(path)]) == 0
    assert f"{len(read(path))} records" in capsys.readouterr().out
    both, only_a, only_b = diff(path, path)
    assert both and not only_a and not only_b
    for d in both:
        assert not d.settings and not d.place and d.metrics
    assert all(name_of(record) for record in read(path))


def test_pandas_reads_it(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed, and no requirement")
    path = tmp_path / "l.jsonl"
    for seed in range(2):
        append(path, {"run": "a", "seed": seed, "miou": 0.5 + seed / 10})
    frame = pandas.read_json(path, lines=True)
    assert list(frame.seed) == [0, 1] and frame.miou.mean() == pytest.approx(0.55)
    assert "versions.torch" in pandas.DataFrame(map(flat, read(path)))
