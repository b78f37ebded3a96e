"""Two processes (torchrun, gloo, through Accelerate) train as one process would."""

import json
import os
import subprocess
import sys

import pytest
import torch

from segtutor.models import setr_naive, synchronise_batchnorm
from segtutor.training.distributed import counted
from segtutor.training.losses import cross_entropy
from segtutor.training.recipes import Recipe
from tests.conftest import ROOT
from tests.training import two_processes

CASES = ("global", "accumulated", "local", "sgd", "stopped", "not finite", "sharded")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Every case by two processes, in one start."""
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node", "2", "-m", "tests.training.two_processes"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(folder), *CASES],
        env={**environment, "CUDA_VISIBLE_DEVICES": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


@pytest.fixture
def alone(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield lambda case: two_processes.run(case, tmp_path)
    torch.set_num_threads(threads)


def largest_difference(a, b, key="losses"):
    return max(abs(x - y) for x, y in zip(a[key], b[key], strict=True))


@pytest.mark.parametrize("case", ["global", "accumulated", "sgd"])
def test_equal_to_one_process(together, alone, case):
    """Same batch of four, uneven numbers of ignored pixels in its parts, 20 steps."""
    one = alone("sgd" if case == "sgd" else "global")
    assert len(one["losses"]) == 20 and one["losses"][-1] < one["losses"][0]
    assert largest_difference(one, together[case]) < 1e-4
    assert largest_difference(one, together[case], "weights") < 1e-4
    assert together[case]["logged"] == list(range(20))  # written by one process only


def test_accumulation_in_one_process_is_equal_too(alone, tmp_path):
    whole, cut = (two_processes.run(c, tmp_path) for c in ("global", "accumulated"))
    assert largest_difference(whole, cut) < 1e-4


def test_the_official_mean_of_means_is_another_number(together, alone):
    """Else the tests above would show nothing."""
    assert largest_difference(alone("global"), together["local"]) > 1e-3


def test_one_interrupted_process_stops_both_and_they_go_on(together):
    assert largest_difference(together["global"], together["stopped"]) == 0
    assert together["stopped"]["logged"] == list(range(20))
    assert together["stopped"]["kept"] == ["step-00000005.safetensors", "step-00000020.safetensors"]


def test_with_shards_of_the_weights_in_each_process(together):
    """FSDP, with accumulation, interrupted and resumed: the same losses, and the model that was
    given holds in the end what its shards have learned.
    """
    assert largest_difference(together["global"], together["sharded"]) < 1e-4
    assert largest_difference(together["global"], together["sharded"], "weights") < 1e-4
    assert together["sharded"]["logged"] == list(range(20))


def test_a_loss_that_is_no_number_names_the_whole_batch(together):
    error = together["not finite"]["error"]
    assert "at step 0" in error and all(f"picture_{i}" in error for i in range(4))


def test_batchnorm_is_synchronised_by_its_modules():
    """SyncBatchNorm computes on GPUs only; here: every BatchNorm became one, and kept its keys."""
    model = setr_naive(2, (24, 2, 3), patch=8, image=(32, 48), hidden=8, aux_layers=(0,))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    plain = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    synchronise_batchnorm(model, 2)
    synchronised = [m for m in model.modules() if isinstance(m, torch.nn.SyncBatchNorm)]
    assert len(synchronised) == len(plain) == 2
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize("mean", ["valid", "all"])
def test_counts_of_pieces_add_up(mean):
    """Also where a piece holds nothing that counts, and with weights on the classes."""
    logits, labels = torch.randn(4, 2, 6, 5), torch.randint(0, 2, (4, 6, 5))
    labels[0], labels[1, :3] = 255, 255
    for class_weights in ((), (0.5, 2.0)):
        recipe = Recipe(steps=1, loss_mean=mean, class_weights=class_weights)
        options = dict(
            mean=mean, class_weights=torch.tensor(class_weights) if class_weights else None
        )
        whole = cross_entropy(logits, labels, **options)
        counts = [counted(label[None], recipe, 255) for label in labels]
        parts = [
            cross_entropy(logits[i : i + 1], labels[i : i + 1], **options) * counts[i]
            for i in range(4)
        ]
        assert float(sum(parts) / sum(counts)) == pytest.approx(float(whole), rel=1e-5)
