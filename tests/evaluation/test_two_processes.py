"""Two processes test a model together: every image is counted exactly once."""

import json
import os
import subprocess
import sys

import pytest
import torch

from segtutor.cli import main
from segtutor.evaluation import Scores, score
from tests.conftest import ROOT


def test_two_processes_report_what_one_does(place, monkeypatch):
    common = ["evaluate", "model.safetensors", "mine", "--ignore", "9", "--out"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, "-m", "segtutor.cli", *common, "two"],
        cwd=place, env=environment, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("3 images") == 1  # one of them speaks
    monkeypatch.chdir(place)
    assert main([*common, "one"]) == 0
    one, two = (json.loads((place / n / "report.json").read_text()) for n in ("one", "two"))
    assert one == two


def test_an_error_in_one_process_is_raised_in_all(monkeypatch):
    """Or the others would wait for ever."""

    def gathered(everyone, mine):
        everyone[:] = [mine, ValueError("b.jpg cannot be read")]

    monkeypatch.setattr(score.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(score.dist, "all_gather_object", gathered)
    with pytest.raises(ValueError, match="b.jpg cannot be read"):
        score._gather(Scores(3))


def test_unequal_shares_come_together():
    parts = [Scores(2), Scores(2), Scores(2)]
    zero = torch.zeros(1, 1, dtype=torch.long)
    for i in range(5):
        parts[i % 3].update(zero, zero, str(i))
    together = Scores.interleaved(parts)
    assert together.names == list("01234") and int(together.whole.matrix.sum()) == 5
    assert Scores.interleaved([Scores(2), Scores(2)]).names == []
