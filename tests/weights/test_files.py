"""Models on disk: round trip, damage, other variants, and pickles that must not run."""

import os
import pickle

import pytest
import torch

from segtutor.models import segmenter_linear, setr_naive
from segtutor.weights import load_model, read_tensors, save_model

TINY = dict(size=(24, 2, 3), patch=16, image=(64, 48))


@pytest.mark.parametrize("make", [segmenter_linear, setr_naive])
def test_round_trip_gives_the_same_model(make, tmp_path):
    model = make(7, **TINY).eval()
    images = torch.randn(1, 3, 61, 50)
    again = load_model(save_model(model, tmp_path / "m.safetensors")).eval()
    assert again.config == model.config
    assert torch.equal(again(images), model(images))
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]  # no temporary file is left


def test_truncated_file_is_named(tmp_path):
    path = save_model(segmenter_linear(7, **TINY), tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        ValueError, match=r"m\.safetensors \(5000 bytes\) is not a whole safetensors"
    ):
        load_model(path)


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights file at .*nothing.safetensors"):
        load_model(tmp_path / "nothing.safetensors")
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no segtutor configuration"):
        load_model(tmp_path / "other.safetensors")


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_is_never_executed(tmp_path):
    proof, path = tmp_path / "executed", tmp_path / "evil.pth"
    with open(path, "wb") as file:
        pickle.dump({"state_dict": Bomb(proof)}, file)
    with pytest.raises(ValueError, match="was not executed"):
        read_tensors(path)
    torch.save({"state_dict": Bomb(proof)}, path)
    with pytest.raises(ValueError, match="was not executed"):
        read_tensors(path)
    assert not proof.exists()


def test_plain_torch_files_are_read(tmp_path):
    torch.save({"model": {"a": torch.ones(2)}}, tmp_path / "plain.pth")
    assert torch.equal(read_tensors(tmp_path / "plain.pth")["a"], torch.ones(2))


def test_folder_without_write_permission_is_named(tmp_path, monkeypatch):
    """Simulated, because whoever runs the tests as root may write anywhere."""

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("segtutor.weights.files.save_file", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(
        PermissionError, match="m.safetensors: no write permission in .* choose anoth"
    ):
        save_model(segmenter_linear(7, **TINY), tmp_path / "m.safetensors")


def test_a_file_in_the_folders_place_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(OSError, match="taken"):
        save_model(segmenter_linear(7, **TINY), tmp_path / "taken" / "m.safetensors")


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = save_model(segmenter_linear(7, **TINY), tmp_path / "m.safetensors")
    before = path.read_bytes()

    def disk_full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segtutor.weights.files.save_file", disk_full)
    with pytest.raises(OSError, match="No space left"):
        save_model(segmenter_linear(7, **TINY), path)
    assert path.read_bytes() == before
