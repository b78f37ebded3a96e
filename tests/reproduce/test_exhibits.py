"""Exhibits: made once, read back the same; folded patches are exact."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from segtutor.reproduce import exhibits as module
from segtutor.reproduce.exhibitmaking import DECODERS, Watched, folded
from segtutor.reproduce.exhibits import exhibits, photographs
from segtutor.tokens import Encoder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exhibits")
    return folder, exhibits("smoke", cache=folder)


def test_all_models_are_there_and_answer(made):
    _, shown = made
    assert set(shown.models) == {*DECODERS, "conv"} == set(shown.titles) == set(shown.notes)
    sample = shown.test[0]
    for name, model in shown.models.items():
        assert not model.training
        with torch.no_grad():
            answer = model.predict(torch.zeros(1, 3, *sample.label.shape))
        assert answer.shape == (1, *sample.label.shape), name
    assert "ToyScenes" in shown.data and not shown.real
    assert all(0 <= value <= 1 for value in shown.miou.values())


def test_a_second_call_reads_what_the_first_kept(made, monkeypatch):
    folder, shown = made
    assert len(list(folder.glob("*.pt"))) == 1
    monkeypatch.setattr(module, "train_all", lambda *_: pytest.fail("trained again"))
    again = exhibits("smoke", cache=folder)
    x = torch.randn(1, 3, 64, 96)
    for name in shown.models:
        with torch.no_grad():
            assert torch.equal(shown.models[name](x), again.models[name](x)), name
    assert again.seconds == shown.seconds and again.miou == shown.miou


def test_class_embeddings_move_and_end_where_the_model_is(made):
    _, shown = made
    steps = sorted(shown.movement)
    assert steps[0] == 0 and not torch.equal(shown.movement[0], shown.movement[steps[-1]])
    assert torch.equal(shown.movement[steps[-1]], shown.models["mask"].decoder.classes[0])


def test_settings_and_seed_are_part_of_the_key():
    settings = type("S", (), {})()
    settings.a = 1
    one, other = (module._key(settings, 0, data) for data in ("none", "f00d"))
    settings.a = 2
    rest = {module._key(settings, seed, "none") for seed in (0, 1)}
    assert len({one, other, *rest}) == 4


def test_what_was_made_of_other_data_stays(tmp_path):
    for name in ("camvid-1", "camvid-2", "toyscenes-3", "camvid-4"):
        module._write(tmp_path / f"exhibits-cpu-{name}.pt", {})
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"exhibits-cpu-toyscenes-3.pt", "exhibits-cpu-camvid-4.pt"}


def test_data_nearby_that_it_does_not_read_changes_nothing(made, monkeypatch, tmp_path):
    """The short profile is made of ToyScenes whatever is at hand."""
    folder, _ = made
    (tmp_path / "photo.png").write_text("not read")
    monkeypatch.setattr(module, "train_all", lambda *_: pytest.fail("trained again"))
    exhibits("smoke", cache=folder, data_root=tmp_path)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_folding_is_exact(scale):
    torch.manual_seed(0)
    encoder = Encoder(width=24, depth=2, heads=2, patch=4, image=(8, 12)).eval()
    other = folded(encoder, scale, (16, 24)).eval()
    assert other.patch == int(4 * scale) and encoder.patch == 4
    x = torch.randn(1, 3, 16, 24)
    if scale == 0.5:
        seen = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
    else:
        seen = F.avg_pool2d(x, 2)
    encoder.pos_embed.table.data[:, 1:] = 0  # only the embedding is compared
    other.pos_embed.table.data[:, 1:] = 0
    with torch.no_grad():
        torch.testing.assert_close(other(x).tokens, encoder(seen).tokens, atol=1e-5, rtol=1e-4)


def test_folding_knows_two_scales():
    encoder = Encoder(width=24, depth=1, heads=2, patch=4, image=(8, 12))
    with pytest.raises(ValueError, match="expected 0.5 or 2.0"):
        folded(encoder, 3.0, (8, 12))


def test_watched_keeps_the_embeddings_before_a_step():
    decoder = torch.nn.Linear(2, 2)
    decoder.classes = torch.nn.Parameter(torch.zeros(1, 3, 2))
    kept: dict[int, torch.Tensor] = {}
    with Watched(decoder, (0, 2), kept):
        for _ in range(4):
            decoder(torch.zeros(1, 2))
            decoder.classes.data += 1
    decoder(torch.zeros(1, 2))
    assert {step: float(e[0, 0]) for step, e in kept.items()} == {0: 0.0, 2: 2.0}


def test_photographs_keep_their_shape():
    pytest.importorskip("skimage")
    photos = photographs((48, 64))
    assert set(photos) == {"astronaut", "chelsea", "coffee", "rocket"}
    assert all(p.shape == (3, 48, 64) and p.dtype == torch.uint8 for p in photos.values())
