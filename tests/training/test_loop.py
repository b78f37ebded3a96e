"""The loop learns, resumes without a trace, and says what is wrong."""

from pathlib import Path

import pytest
import torch

from segtutor.data import augment
from segtutor.models import segmenter_mask, setr_mla, setr_naive, setr_pup
from segtutor.training import Recipe, train
from segtutor.training.loop import make_optimiser, writable
from segtutor.training.precision import bfloat16_is_faster
from tests.training.tiny import Halves, small, weights

QUICK = Recipe(steps=6, batch=2, lr=1e-2, optimiser="adamw")


@pytest.fixture(scope="module")
def transform():
    return augment((32, 48), normalisation="half", scale=(0.8, 1.2))


def test_it_learns_and_tells():
    history = train(
        small(), Halves(), Recipe(steps=40, batch=4, lr=3e-3, optimiser="adamw"), verbose=False
    )
    assert len(history) == 40 and history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert set(history[0]) == {"step", "loss", "lr", "seconds"}
    assert history[0]["lr"] == pytest.approx(3e-3)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, optimiser, transform):
    recipe = Recipe(steps=6, batch=2, lr=1e-2, optimiser=optimiser)
    whole = small()
    train(whole, Halves(), recipe, transform=transform, verbose=False)

    class Stop(Exception):  # noqa: N818
        pass

    class Interrupted(Halves):
        reads = 0

        def __getitem__(self, i):
            Interrupted.reads += 1
            if Interrupted.reads > 8:  # in the fifth step
                raise Stop
            return super().__getitem__(i)

    again = small()
    options = dict(transform=transform, out_dir=tmp_path, save_every=2, verbose=False)
    with pytest.raises(Stop):
        train(again, Interrupted(), recipe, **options)
    resumed = small(seed=99)  # other random weights: all must come from the checkpoint
    history = train(resumed, Halves(), recipe, **options)
    assert [row["step"] for row in history] == list(range(6))
    assert torch.equal(weights(whole), weights(resumed))
    assert not list(tmp_path.glob("*.part"))


def test_resuming_with_another_recipe_lists_what_differs(tmp_path):
    train(small(), Halves(), QUICK, out_dir=tmp_path, verbose=False)
    other = Recipe(steps=8, batch=2, lr=2e-2, optimiser="adamw")
    with pytest.raises(ValueError, match=r"steps: 6 there, 8 now; lr: 0.01 there, 0.02 now"):
        train(small(), Halves(), other, out_dir=tmp_path, verbose=False)
    train(small(), Halves(), other, out_dir=tmp_path, resume=False, verbose=False)


def test_a_finished_run_is_not_repeated(tmp_path):
    first, second = small(), small(seed=5)
    train(first, Halves(), QUICK, out_dir=tmp_path, verbose=False)
    history = train(second, Halves(), QUICK, out_dir=tmp_path, verbose=False)
    assert len(history) == 6 and torch.equal(weights(first), weights(second))


def test_infinite_loss_stops_with_the_step():
    with pytest.raises(FloatingPointError, match=r"at step \d+ .*lower the learning rate"):
        model = small()
        with torch.no_grad():
            model.decoder.head.weight.fill_(float("nan"))
        train(model, Halves(), QUICK, verbose=False)


def test_output_folder_without_write_permission(tmp_path, monkeypatch):
    """Simulated, because whoever runs the tests as root may write anywhere."""

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied\): choose another output folder"):
        train(small(), Halves(), QUICK, out_dir=tmp_path, verbose=False)


def test_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="cannot write in .*file"):
        writable(tmp_path / "file" / "below")


def test_heads_can_learn_faster():
    model = setr_naive(2, (24, 2, 3), patch=8, image=(32, 48))
    groups = make_optimiser(model, Recipe(steps=1, head_lr=10.0)).param_groups
    assert [g["lr_factor"] for g in groups] == [1.0, 10.0]
    assert len(groups[1]["params"]) == len(list(model.decoder.parameters()))
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    assert all(g["nesterov"] for g in groups)


def test_mlas_fusion_learns_at_the_encoders_rate():
    """As in the official code, where it is part of the backbone."""
    model = setr_mla(2, (24, 4, 3), patch=8, image=(32, 48), hidden=8, aux_layers=(0,))
    slow, fast = make_optimiser(model, Recipe(steps=1, head_lr=10.0)).param_groups
    names = {id(p): n.split(".")[0] for n, p in model.named_parameters()}
    assert {names[id(p)] for p in slow["params"]} == {"encoder", "neck"}
    assert {names[id(p)] for p in fast["params"]} == {"decoder", "auxiliary"}


@pytest.mark.parametrize(
    "make,options",
    [
        (segmenter_mask, dict(decoder_heads=3)),
        (setr_pup, dict(hidden=8, aux_layers=(1,))),
        (setr_mla, dict(hidden=8, head_hidden=8, aux_layers=(0, 1, 2, 3))),
    ],
)
def test_every_decoder_learns(make, options, transform):
    torch.manual_seed(0)
    model = make(2, (24, 4, 3), patch=8, image=(32, 48), **options)
    recipe = Recipe(steps=30, batch=2, lr=3e-3, optimiser="adamw", precision="float32")
    history = train(model, Halves(), recipe, transform=transform, verbose=False)
    first, last = (sum(row["loss"] for row in part) for part in (history[:3], history[-3:]))
    assert last < 0.5 * first


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="optimiser is 'adam', expected"):
        Recipe(steps=1, optimiser="adam")
    with pytest.raises(ValueError, match="precision is 'fp8', expected"):
        Recipe(steps=1, precision="fp8")
    with pytest.raises(ValueError, match="steps 0"):
        Recipe(steps=0)


def test_the_bar_and_the_page_both_tell_the_loss(capsys, monkeypatch):
    train(small(), Halves(), QUICK)
    assert "loss=" in capsys.readouterr().err
    monkeypatch.setenv("SEGTUTOR_PAGE", "1")
    train(small(), Halves(), QUICK)
    printed = capsys.readouterr()
    assert "6/6  loss" in printed.out and "images/s" in printed.out and "s to go" in printed.out
    assert printed.err == "" and printed.out.startswith("Recipe(steps=6")


def test_precision_is_measured_not_guessed():
    assert bfloat16_is_faster("cpu") in (True, False)
    history = train(small(), Halves(), Recipe(steps=2, precision="bfloat16"), verbose=False)
    assert all(row["loss"] > 0 for row in history)
