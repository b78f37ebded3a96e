"""Started twice by test_two_processes.py: each case is trained by both processes together, and the
first one writes what it saw.

    torchrun --nproc_per_node 2 tests/training/two_processes.py FOLDER CASE...
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from segtutor.data import Sample
from segtutor.training import Recipe, train
from tests.training.tiny import Halves, small, weights

COMMON = dict(steps=20, batch=4, lr=3e-3, precision="float32")
RECIPES = {
    "global": Recipe(**COMMON, optimiser="adamw"),
    "accumulated": Recipe(**COMMON, optimiser="adamw", accumulate=2),
    "local": Recipe(**COMMON, optimiser="adamw", loss_norm="local"),
    "sgd": Recipe(**COMMON, loss_mean="all", head_lr=10.0),
    "stopped": Recipe(**COMMON, optimiser="adamw"),
    "not finite": Recipe(**COMMON, optimiser="adamw"),
    "sharded": Recipe(**COMMON, optimiser="adamw", accumulate=2),  # last: it cannot be undone
}


class Uneven(Halves):
    """Picture i has 9 i of its 32 rows ignored, and the last two have wrong labels: what counts
    little has a high loss, so that two ideas of a mean differ.
    """

    def __getitem__(self, i):
        image, label, name = super().__getitem__(i)
        label = torch.where(label == 255, 255, 1 - label) if i >= 2 else label.clone()
        label[: 9 * i] = 255
        return Sample(image, label.to(torch.uint8), name)


class StopsIn(Uneven):
    """Ctrl-C reaches one of the two processes, in the middle of a step."""

    reads = 0

    def __getitem__(self, i):
        self.reads += 1
        if self.reads == 9 and os.environ.get("RANK", "0") == "1":
            os.kill(os.getpid(), signal.SIGINT)
        return super().__getitem__(i)


def model_for(case):
    """Without dropout, because each process draws its own."""
    model = small(dropout=0.0, drop_path=0.0)
    if case == "not finite":
        torch.nn.init.constant_(model.decoder.head.weight, float("inf"))
    return model


def pretend_fsdp():
    """Accelerate shards on GPUs only, PyTorch anywhere: tell the first that this were one."""
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    AcceleratorState._shared_state["fsdp_plugin"] = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["Block"],
        cpu_ram_efficient_loading=False,
    )
    for state in (AcceleratorState, PartialState):
        state._shared_state["distributed_type"] = DistributedType.FSDP


def run(case, folder):
    """Losses and final weights of one case, or the error it ends with."""
    model, data = model_for(case), Uneven()
    options = dict(verbose=False, out_dir=folder / case)
    try:
        if case == "sharded":
            pretend_fsdp()
        if case in ("stopped", "sharded"):
            interrupted = model_for(case)
            try:
                train(interrupted, StopsIn(), RECIPES[case], **options)
            except KeyboardInterrupt as stopped:
                print(stopped, file=sys.stderr)
        history = train(model, data, RECIPES[case], **options)
    except FloatingPointError as error:
        return {"error": str(error)}
    kept = sorted(path.name for path in (folder / case).glob("step-*"))
    steps = [json.loads(row)["step"] for row in (folder / case / "log.jsonl").open()]
    return {
        "losses": [row["loss"] for row in history],
        "weights": weights(model).tolist(),
        "kept": kept,
        "logged": steps,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    found = {case: run(case, folder) for case in sys.argv[2:]}
    if os.environ.get("RANK") == "0":
        (folder / "found.json").write_text(json.dumps(found))
