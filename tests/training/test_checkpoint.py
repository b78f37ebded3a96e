"""Checkpoints are whole or not there; what is wrong with one is said."""

import contextlib
import json
import os
import signal
import sys
import types
import warnings

import pytest
import torch

from segtutor.models import segmenter_linear
from segtutor.training import Recipe, train
from segtutor.training.checkpoint import find_checkpoint
from segtutor.training.interrupt import StopAsked
from segtutor.training.loop import is_best
from segtutor.weights import load_model
from segtutor.weights.files import read_safetensors, write_whole
from tests.training.tiny import Halves, small, weights

RECIPE = Recipe(steps=6, batch=2, lr=1e-2, optimiser="adamw", precision="float32")


class Doing(Halves):
    """Does something when sample number `when` is read."""

    def __init__(self, when, what):
        super().__init__()
        self.when, self.what, self.reads = when, what, 0

    def __getitem__(self, i):
        self.reads += 1
        if self.reads == self.when:
            self.what()
        return super().__getitem__(i)


def run(folder, data=None, model=None, recipe=RECIPE, save_every=2, **options):
    model = model or small()
    history = train(
        model,
        data or Halves(),
        recipe,
        out_dir=folder,
        save_every=save_every,
        verbose=False,
        **options,
    )
    return model, history


def names(folder):
    return sorted(path.name for path in folder.glob("*safetensors*"))


def test_the_last_two_are_kept(tmp_path):
    run(tmp_path)
    assert names(tmp_path) == ["step-00000004.safetensors", "step-00000006.safetensors"]


def test_a_torn_checkpoint_is_passed_over(tmp_path):
    whole, _ = run(tmp_path)
    (tmp_path / ".part").mkdir()
    (tmp_path / ".part" / ".tmpQ3x").write_bytes(b"half")  # of a run that was killed while writing
    last = tmp_path / "step-00000006.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="step-00000006.safetensors is passed over: .*not a whole"):
        again, history = run(tmp_path, model=small(seed=9))
    assert torch.equal(weights(whole), weights(again)) and len(history) == 6
    assert not (tmp_path / ".part").exists()


def test_starting_anew_forgets_the_old_run(tmp_path):
    """Else a later resume would go on with the old run's higher step."""
    run(tmp_path)
    run(tmp_path, Doing(7, lambda: os.kill(os.getpid(), signal.SIGINT)), resume=True)  # finished
    with pytest.raises(KeyboardInterrupt):
        data = Doing(3, lambda: os.kill(os.getpid(), signal.SIGINT))
        run(tmp_path, data, resume=False)
    assert names(tmp_path) == ["step-00000002.safetensors"]


def test_other_circumstances_are_told(tmp_path):
    run(tmp_path)
    path = tmp_path / "step-00000006.safetensors"
    tensors, metadata = read_safetensors(path)
    header = json.loads(metadata["training"])
    header["machine"]["threads"] += 3
    write_whole(path, tensors, {"training": json.dumps(header)})
    with pytest.warns(UserWarning, match=r"written with threads: \d+, now it is \d+"):
        run(tmp_path)
    with pytest.warns(UserWarning) as told:
        find_checkpoint(tmp_path, RECIPE, processes=2)
    assert any("written with processes: 1, now it is 2" in str(w.message) for w in told)


def test_a_whole_checkpoint_is_taken_without_a_word(tmp_path):
    run(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_checkpoint(tmp_path, RECIPE).history) == 6


def test_another_recipe_is_refused_with_a_list(tmp_path):
    run(tmp_path)
    other = Recipe(steps=8, batch=4, lr=1e-2, optimiser="adamw", precision="float32")
    with pytest.raises(ValueError, match=r"steps: 6 there, 8 now; batch: 2 there, 4 now\).*never"):
        run(tmp_path, recipe=other)


def test_what_auto_came_to_stays(tmp_path, monkeypatch):
    """It is measured, and the next measurement may come out otherwise."""
    recipe = Recipe(steps=2, batch=2, optimiser="adamw")
    monkeypatch.setattr("segtutor.training.distributed.fastest", lambda device: "bfloat16")
    whole, _ = run(tmp_path / "whole", recipe=recipe)
    with pytest.raises(KeyboardInterrupt):
        data = Doing(1, lambda: os.kill(os.getpid(), signal.SIGINT))
        run(tmp_path / "cut", data, recipe=recipe)
    monkeypatch.setattr("segtutor.training.distributed.fastest", lambda device: "float32")
    assert torch.equal(weights(whole), weights(run(tmp_path / "cut", recipe=recipe)[0]))


def test_another_model_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match="belongs to another variant: the first tensor that diff"):
        run(tmp_path, model=segmenter_linear(3, (24, 2, 3), patch=8, image=(32, 48)))
    model = small()
    model.encoder.freeze(1)
    with pytest.raises(ValueError, match="remembers 'encoder.*, which is not trained here"):
        run(tmp_path, model=model)


@contextlib.contextmanager
def no_large_files():
    """Yields a function; once it is called, and until the block ends, files of more than 20 kB
    cannot be written: as good as a full disk. It ends within the test, for pytest's own report
    may go to a longer file."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path):
    told = pytest.raises(OSError, match="step 4, could not be .*step-00000002.safetensors is a")
    with told, no_large_files() as fill:
        run(tmp_path, Doing(8, fill))
    assert names(tmp_path) == ["step-00000002.safetensors"] and not (tmp_path / ".part").exists()
    assert find_checkpoint(tmp_path, RECIPE).history[-1]["step"] == 1


def test_a_file_has_its_name_only_when_it_is_on_the_disk(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(names(tmp_path)))
    write_whole(tmp_path / "a.safetensors", {"x": torch.ones(2)}, {})
    assert seen == [[], ["a.safetensors"]]  # the file, then the folder


def test_control_c_finishes_the_step_saves_and_says_how_to_go_on(tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT)
    data = Doing(6, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="after step 3 of 6, which is saved in .*same comm"):
        run(tmp_path, data)
    assert "stopping after this step" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
    assert names(tmp_path) == ["step-00000002.safetensors", "step-00000003.safetensors"]
    resumed, _ = run(tmp_path, model=small(seed=3))
    assert torch.equal(weights(resumed), weights(run(tmp_path / "whole")[0]))


def test_a_second_control_c_breaks_at_once(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("segtutor.training.interrupt.time.monotonic", lambda: now[0])
    with StopAsked() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.now
        os.kill(os.getpid(), signal.SIGINT)  # the launcher's copy of the first one
        now[0] += 5.0
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_no_handler_without_a_folder():
    before = signal.getsignal(signal.SIGINT)
    with StopAsked(active=False):
        assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_is_no_number_touches_nothing(tmp_path):
    model = small()

    def spoil():
        model.spoilt = weights(model).clone()
        model.decoder.head.register_forward_hook(lambda m, i, scores: scores * float("nan"))

    with pytest.raises(FloatingPointError) as caught:
        run(tmp_path, Doing(8, spoil), model)
    message = str(caught.value)
    assert "loss is nan at step 3" in message and "step-00000002.safetensors is from" in message
    assert message.count("picture_") == 2  # the samples of that batch
    assert torch.equal(weights(model), model.spoilt)
    assert names(tmp_path) == ["step-00000002.safetensors"]


def test_a_gradient_that_is_no_number_touches_nothing_either(tmp_path):
    """The loss of that step is finite; without this the next checkpoint would be spoilt."""
    model = small()

    def spoil():
        model.decoder.head.weight.register_hook(lambda grad: grad / 0)

    with pytest.raises(FloatingPointError, match="the gradient is not finite at step 2"):
        run(tmp_path, Doing(6, spoil), model)
    assert torch.isfinite(weights(model)).all()


def test_evaluated_on_the_way_the_best_is_kept(tmp_path):
    scores = iter([0.3, 0.7, 0.5])
    seen = []

    def evaluate(model):
        seen.append((model.training, weights(model).clone()))
        return {"miou": next(scores)}

    model, history = run(tmp_path, evaluate=evaluate, evaluate_every=2)
    assert [row.get("miou") for row in history] == [None, 0.3, None, 0.7, None, 0.5]
    assert not any(training for training, _ in seen)
    best = load_model(tmp_path / "best.safetensors")
    assert torch.equal(weights(best), seen[1][1]) and not torch.equal(weights(best), weights(model))
    assert torch.equal(weights(model), weights(run(tmp_path / "without")[0]))  # it changed nothing


def test_the_log_has_each_step_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Doing(6, lambda: os.kill(os.getpid(), signal.SIGINT)))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 3, "loss": 1.0}\n{"step": 4, "lo')  # written by a killed run
    _, history = run(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").open()]
    assert rows == history and [row["step"] for row in rows] == list(range(6))


def test_float16_keeps_its_scale_in_the_checkpoint(tmp_path):
    recipe = Recipe(steps=4, batch=2, lr=1e-2, optimiser="adamw", precision="float16")
    whole, _ = run(tmp_path / "whole", recipe=recipe)
    with pytest.raises(KeyboardInterrupt):
        data = Doing(3, lambda: os.kill(os.getpid(), signal.SIGINT))
        run(tmp_path / "cut", data, recipe=recipe)
    found = find_checkpoint(tmp_path / "cut", recipe)
    assert found.scaler["scale"] > 1 and len(found.history) == 2
    assert torch.equal(weights(whole), weights(run(tmp_path / "cut", recipe=recipe)[0]))


def test_tensorboard_only_where_it_is_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'segtutor\[train\]'"):
        run(tmp_path, log_dir=tmp_path / "curves")
    seen = []

    class Writer:
        def __init__(self, folder, purge_step):
            seen.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            seen.append((name, step))

        def close(self):
            seen.append("closed")

    stand_in = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    run(tmp_path, log_dir=tmp_path / "curves")
    assert seen[0] == (str(tmp_path / "curves"), 0) and seen[-1] == "closed"
    assert {("loss", 0), ("lr", 5)} <= set(seen[1:-1])


def test_a_score_that_is_no_number_is_never_the_best():
    rows = [{"miou": float("nan")}, {"miou": 0.2}, {}, {"miou": 0.2}, {"miou": 0.3}]
    assert [is_best(rows[: i + 1]) for i in (0, 1, 3, 4)] == [False, True, False, True]
