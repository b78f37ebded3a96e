"""Training is killed (SIGKILL) at random moments, also while it writes, and started again: at the
end the weights are, bit for bit, those of a run that nobody disturbed.

SEGTUTOR_KILLS=20 python -m pytest tests/training/test_kill.py    # default: 3 kills
"""

import multiprocessing
import os
import random
import time

import pytest
import torch

from segtutor.training import Recipe
from segtutor.weights.files import read_safetensors
from tests.training.tiny import Halves, small

KILLS = int(os.environ.get("SEGTUTOR_KILLS", "3"))
RECIPE = Recipe(steps=20 * KILLS, batch=2, lr=1e-2, optimiser="adamw", precision="float32")


def whole_run(folder):
    """What a process does until it is killed. A checkpoint after every step, so that a good part of
    the kills falls into the writing.
    """
    from segtutor.training import train

    torch.set_num_threads(1)
    train(small(), Halves(), RECIPE, out_dir=folder, save_every=1, verbose=False)


@pytest.fixture(scope="module")
def processes():
    """Processes forked from one that has everything imported: a start takes no time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["segtutor.training", "accelerate", __name__])
    return context


def start(processes, folder):
    child = processes.Process(target=whole_run, args=(folder,), daemon=True)
    child.start()
    return child


def lines(folder):
    log = folder / "log.jsonl"
    return log.read_text().count("\n") if log.exists() else 0


def final(folder):
    return read_safetensors(folder / f"step-{RECIPE.steps:08d}.safetensors")[0]


def test_killed_at_random_moments(processes, tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    child = start(processes, undisturbed)
    moments = random.Random(KILLS)
    seen = []
    for _ in range(KILLS):
        victim = start(processes, killed)
        wanted = lines(killed) + moments.randint(0, 4)  # as many steps on, and a bit
        while victim.is_alive() and lines(killed) < wanted:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.03))
        victim.kill()
        victim.join()
        assert victim.exitcode == -9, f"the run ended by itself with {victim.exitcode}"
        for path in killed.glob("step-*.safetensors"):
            seen.append(path.name)
            read_safetensors(path)  # ... and every file of that name is whole
    last = start(processes, killed)
    last.join()
    child.join()
    assert last.exitcode == child.exitcode == 0
    wanted, got = final(undisturbed), final(killed)
    assert wanted.keys() == got.keys() and seen
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    rows = [(folder / "log.jsonl").read_text().splitlines() for folder in (undisturbed, killed)]
    assert len(rows[0]) == len(rows[1]) == RECIPE.steps  # no step twice, none left out
    left = [f"step-{step:08d}.safetensors" for step in (RECIPE.steps - 1, RECIPE.steps)]
    assert sorted(path.name for path in killed.iterdir()) == ["log.jsonl", *left]
