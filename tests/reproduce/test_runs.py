"""Trainings of a table, run by papermill: skipped, resumed, failing, side by side, killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from segtutor.cli import main
from segtutor.reproduce import runs
from segtutor.reproduce.appending import try_lock
from segtutor.reproduce.expand import essence, expand
from segtutor.reproduce.ledger import append, read
from segtutor.reproduce.runs import made_before, run_jobs, summary
from tests.conftest import ROOT

SMALL = {"mini_data": "toyscenes", "mini_weights": ""}


@pytest.fixture(autouse=True)
def nothing_else_is_found(monkeypatch, tmp_path):
    monkeypatch.delenv("SEGTUTOR_DATA", raising=False)
    monkeypatch.setenv("SEGTUTOR_CACHE", str(tmp_path / "cache"))


def jobs_of(tmp_path, *rows, seeds=1, table="segmenter-table-5"):
    options = dict(profile="mini", out=tmp_path / "runs", ledger=tmp_path / "l.jsonl", **SMALL)
    return expand(table, rows=rows, seeds=seeds, **options).jobs


def record_of(job, **more):
    from dataclasses import asdict

    return {"run": job.recipe, "config": asdict(job.run), "miou": 0.5, "seed": job.seed, **more}


@pytest.fixture
def fake_notebook(monkeypatch):
    """Papermill replaced: writes the ledger line the notebook would have written."""
    calls = []

    def execute(source, target, parameters, timeout):
        calls.append(parameters)
        job = fake_notebook_jobs[parameters["recipe"], parameters["seed"]]
        if parameters["recipe"].endswith("8k-images"):
            target.write_text("half")
            return "ValueError: as a training would fail"
        target.write_text("{}")
        append(parameters["ledger"], record_of(job))
        return ""

    fake_notebook_jobs = {}
    monkeypatch.setattr(runs, "execute", execute)
    return calls, fake_notebook_jobs


def known(jobs):
    return {(job.recipe, job.seed): job for job in jobs}


def test_done_is_skipped_failing_is_told_and_the_rest_goes_on(tmp_path, fake_notebook):
    calls, table = fake_notebook
    jobs, ledger, told = jobs_of(tmp_path, "4k", "8k", "12k"), tmp_path / "l.jsonl", []
    table.update(known(jobs))
    append(ledger, record_of(jobs[0]))
    found = run_jobs(jobs, ledger=ledger, profile="mini", tell=told.append)
    assert [o.state for o in found] == ["made before", "failed", "ran"]
    assert [c["recipe"] for c in calls] == [job.recipe for job in jobs[1:]]
    assert told[0] == f"1 of 3 trainings stand in {ledger} already"
    assert any("left" in line and line.startswith("1 of 2:") for line in told)
    text = summary(found)
    assert text.startswith("2 of 3 trainings are in the ledger")
    assert "8k-images, seed 0: failed: ValueError: as a training" in text
    assert f"what ran of it: {found[1].notebook}" in text and found[1].notebook.exists()
    assert found[2].notebook == Path(jobs[2].out).resolve() / "run.ipynb"
    again = run_jobs(jobs, ledger=ledger, profile="mini", tell=told.append)
    assert [o.state for o in again] == ["made before", "failed", "made before"] and len(calls) == 3
    run_jobs(jobs[:1], ledger=ledger, profile="mini", again=True, tell=told.append)
    assert len(calls) == 4


def test_what_the_notebook_is_given(tmp_path, fake_notebook):
    calls, table = fake_notebook
    jobs = jobs_of(tmp_path, "4k", "12k", seeds=2)
    table.update(known(jobs))
    run_jobs(jobs, ledger=tmp_path / "l.jsonl", profile="mini", side_by_side=2, tell=str)
    given = {(c["recipe"], c["seed"]): c for c in calls}
    assert len(given) == 4 and sum(c["check_data"] for c in calls) == 1
    for job in jobs:
        one = given[job.recipe, job.seed]
        assert one["changes"] == dict(job.changes) and one["rows"] == list(job.rows)
        assert (one["profile"], one["cards"], one["save_every"]) == ("cpu", "", 25)
        name = Path(one["out_dir"]).name
        assert re.fullmatch(rf"{job.recipe}-mini-[0-9a-f]{{6}}-seed{job.seed}", name)
    of = {t: expand(f"segmenter-table-{t}", profile="mini").jobs for t in (3, 6)}
    name = "ade20k-segmenter-linear-base-deit-16"
    one, other = (next(j for j in of[t] if j.recipe == name) for t in of)
    assert one.out != other.out, "two miniatures of one run, two folders"


def test_each_training_gets_its_own_cards(tmp_path, fake_notebook):
    calls, table = fake_notebook
    jobs = jobs_of(tmp_path, "4k", "12k", seeds=2)
    table.update(known(jobs))
    options = dict(ledger=tmp_path / "l.jsonl", profile="mini", tell=str)
    run_jobs(jobs, gpus=2, cards=("0", "1", "2", "3", "4"), side_by_side=2, **options)
    assert {c["cards"] for c in calls} <= {"0,1", "2,3"} and {c["processes"] for c in calls} == {2}
    with pytest.raises(ValueError, match="1 GPUs are here, each training wants 2"):
        run_jobs(jobs, gpus=2, cards=("0",), **options)


def test_missing_data_are_named_and_other_rows_go_on(tmp_path, fake_notebook):
    calls, table = fake_notebook
    jobs = list(jobs_of(tmp_path, "4k", "12k"))
    jobs[0] = replace(jobs[0], run=replace(jobs[0].run, data="cityscapes"))
    table.update(known(jobs))
    found = run_jobs(jobs, ledger=tmp_path / "l.jsonl", profile="mini", tell=str)
    assert [o.state for o in found] == ["failed", "ran"]
    assert "Cityscapes" in found[0].error and "`segtutor data prepare cityscapes`" in found[0].error


def test_two_at_once_do_not_share_a_folder(tmp_path, fake_notebook):
    calls, table = fake_notebook
    jobs = jobs_of(tmp_path, "4k")
    table.update(known(jobs))
    Path(jobs[0].out).mkdir(parents=True)
    with open(Path(jobs[0].out) / "lock", "a") as mine:
        assert try_lock(mine)
        (outcome,) = run_jobs(jobs, ledger=tmp_path / "l.jsonl", profile="mini", tell=str)
    assert outcome.state == "busy" and not calls
    (outcome,) = run_jobs(jobs, ledger=tmp_path / "l.jsonl", profile="mini", tell=str)
    assert outcome.state == "ran"


def test_what_counts_as_the_same_training(tmp_path):
    one, other = jobs_of(tmp_path, "4k", "8k")
    renamed = replace(one.run, name="x", miou_ss=1.0, gpus=4)
    assert essence(renamed) == essence(one.run) != essence(other.run)
    later = replace(one.run, recipe=replace(one.run.recipe, seed=1))
    assert essence(later) != essence(one.run)
    ledger = tmp_path / "l.jsonl"
    record = append(ledger, record_of(one))
    assert essence(record["config"]) == essence(one.run)
    assert made_before([one, other], ledger).keys() == {0}
    several = jobs_of(tmp_path, "SETR-PUP (40k, SS)", "SETR-PUP (40k, MS)", table="setr-table-5")
    append(ledger, record_of(several[0]))
    assert not made_before(several, ledger), "its score at several scales is missing"
    append(ledger, record_of(several[0], multi={"miou": 0.6}))
    assert made_before(several, ledger)[0]["multi"]["miou"] == 0.6


def test_a_folder_without_write_permission(tmp_path, fake_notebook):
    jobs = jobs_of(tmp_path, "4k")
    Path(jobs[0].out).parent.mkdir()
    Path(jobs[0].out).write_text("a file is in the way")
    (outcome,) = run_jobs(jobs, ledger=tmp_path / "l.jsonl", profile="mini", tell=str)
    assert outcome.state == "failed" and jobs[0].out in outcome.error


def test_the_command_says_what_it_does_without(tmp_path, fake_notebook, capsys):
    calls, table = fake_notebook
    table.update(known(jobs_of(tmp_path, "4k", "8k")))
    out = ["--out", str(tmp_path / "runs"), "--profile", "mini"]
    assert main(["reproduce", "segmenter-table-5", "--rows", "4k", *out]) == 0
    text = capsys.readouterr().out
    assert "CamVid is not here: painted scenes stand in for it" in text
    assert "all encoders start from random numbers" in text
    assert "1 of 1 trainings are in the ledger" in text
    assert main(["reproduce", "segmenter-table-5", "--rows", "8k", *out]) == 1
    assert main(["reproduce", "segmenter-table-5", "--rows", "8k", *out, "--jobs", "0"]) == 2


def test_a_notebook_that_lost_a_parameter_or_itself(tmp_path, monkeypatch):
    jobs = jobs_of(tmp_path, "4k")
    options = dict(ledger=tmp_path / "l.jsonl", profile="mini", tell=str)
    text = runs.NOTEBOOK.read_text().replace("check_data = True", "check_dato = True")
    (tmp_path / "run.ipynb").write_text(text)
    monkeypatch.setattr(runs, "NOTEBOOK", tmp_path / "run.ipynb")
    with pytest.raises(ValueError, match="run.ipynb has no parameter check_data; it has: cards"):
        run_jobs(jobs, **options)
    monkeypatch.setattr(runs, "NOTEBOOK", tmp_path / "gone.ipynb")
    with pytest.raises(FileNotFoundError, match="gone.ipynb is missing: it belongs to the repos"):
        run_jobs(jobs, **options)


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from segtutor.reproduce import runs
from segtutor.reproduce.expand import essence, expand
out = Path(sys.argv[1])
jobs = expand("segmenter-table-5", rows=["4k"], seeds=3, profile="mini", out=out / "runs",
              ledger=out / "l.jsonl", mini_data="toyscenes", mini_weights="").jobs
small = []
for job in jobs:
    changes = {**dict(job.changes), "steps": "8", "model.size": "24,2,2", "model.image": "32,32"}
    run = replace(job.run, model=replace(job.run.model, size=(24, 2, 2), image=(32, 32)),
                  recipe=replace(job.run.recipe, steps=8))
    small.append(replace(job, run=run, changes=tuple(changes.items())))
found = runs.run_jobs(small, ledger=out / "l.jsonl", profile="mini")
print(runs.summary(found))
sys.exit(any(o.record is None for o in found))
"""


@pytest.mark.notebooks
def test_killed_in_the_middle_the_same_command_completes_the_table(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    ledger = tmp_path / "l.jsonl"

    def start():
        return subprocess.Popen(
            [sys.executable, str(tmp_path / "program.py"), str(tmp_path)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    first = start()
    while not read(ledger):  # one is done, the second is under way
        assert first.poll() is None
        time.sleep(0.1)
    time.sleep(1.0)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    first.stdout.close()
    done = [(r["seed"], r["log_sha256"]) for r in read(ledger)]
    second = start()
    text = second.communicate(timeout=300)[0]
    assert second.returncode == 0, text
    assert f"{len(done)} of 3 trainings stand in" in text and "3 of 3 trainings are in" in text
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert sorted(line["seed"] for line in lines) == [0, 1, 2], "none was repeated"
    assert [(r["seed"], r["log_sha256"]) for r in lines[: len(done)]] == done
    for seed in range(3):
        (folder,) = (tmp_path / "runs").glob(f"ade20k-*-4k-images-mini-*-seed{seed}")
        assert (folder / "run.ipynb").is_file() and (folder / "model.safetensors").is_file()
