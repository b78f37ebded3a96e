"""Checkpoints as they lie in the wild: harmless extras are read, code is refused and never run."""

import argparse
import os
import pickle
import subprocess
import zipfile

import numpy as np
import pytest
import torch
import yaml

from segtutor.cli import main
from segtutor.weights import load_model, read_checkpoint, read_tensors
from segtutor.weights.safely import tensors_in
from tests.weights.official_cases import checkpoint_of, variant_of


class Bomb:
    """A pickle that calls `function(*arguments)` when it is loaded by Python's own reader."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def extras() -> dict:
    return {
        "args": argparse.Namespace(lr=1e-3, name="run"),
        "best": np.float64(45.37),
        "step": np.int64(160000),
        "small": np.float32(0.5),
        "flag": np.bool_(True),
        "kind": np.dtype("float64"),
    }


def rewritten(path, old: bytes, new: bytes):
    """The same zip archive with another text inside its pickle."""
    other = path.with_name("rewritten.pth")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for item in source.infolist():
            content = source.read(item)
            if item.filename.endswith("data.pkl"):
                assert old in content
                content = content.replace(old, new)
            target.writestr(item.filename, content)
    return other


@pytest.mark.parametrize("path_of_numpy", ["numpy._core", "numpy.core"])
def test_options_and_numpy_numbers_are_read(path_of_numpy, tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": {"a": torch.ones(2)}, **extras()}, path)
    ours = np.float64(0).__reduce__()[0].__module__  # numpy 1 and 2 write different names
    path = rewritten(path, f"c{ours}\n".encode(), f"c{path_of_numpy}.multiarray\n".encode())
    content = read_checkpoint(path)
    assert {k: content[k] for k in extras()} == extras()
    assert torch.equal(read_tensors(path)["a"], torch.ones(2))
    allowed = torch.serialization.get_safe_globals()
    assert argparse.Namespace not in allowed  # allowed while reading, not for good


@pytest.mark.parametrize(
    "function,arguments,name",
    [
        (os.system, ("touch {}",), "system"),
        (eval, ("open({!r}, 'w')",), "eval"),
        (exec, ("open({!r}, 'w')",), "exec"),
        (subprocess.check_call, (["touch", "{}"],), "check_call"),
        (os.mkdir, ("{}",), "mkdir"),
    ],
)
@pytest.mark.parametrize("archive", [True, False], ids=["torch.save", "bare pickle"])
@pytest.mark.parametrize("where", ["args", "model", "hidden in the options"])
def test_code_is_refused_by_name_and_never_run(
    function, arguments, name, archive, where, tmp_path, capsys
):
    proof, path = tmp_path / "executed", tmp_path / "evil.pth"
    filled = [
        [part.format(proof) for part in a] if isinstance(a, list)
        else a.replace("{!r}", repr(str(proof))).replace("{}", str(proof))
        for a in arguments
    ]  # fmt: skip
    bomb = Bomb(function, *filled)
    content = {"model": {"a": torch.ones(2)}, "args": argparse.Namespace(lr=1)}
    if where == "hidden in the options":
        content["args"].lr = bomb
    else:
        content[where] = bomb
    if archive:
        torch.save(content, path)
    else:
        content["model"] = bomb if where == "model" else {}
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ValueError, match="was not executed") as error:
        read_checkpoint(path)
    assert name in str(error.value) and "weights_only=False" not in str(error.value)
    assert main(["convert", str(path), str(tmp_path / "out.safetensors")]) == 2
    assert "was not executed" in capsys.readouterr().err
    assert not proof.exists() and not (tmp_path / "out.safetensors").exists()


def test_tensors_are_found_in_wrappers():
    a = {"a": torch.ones(1)}
    assert tensors_in({"state_dict": {"module.a": a["a"]}, "epoch": 1}) == a
    assert tensors_in({"model": {"module.module.a": a["a"]}}) == a
    mixed = {"module.a": a["a"], "b": a["a"]}
    assert tensors_in(mixed) == mixed  # a prefix of some names only belongs to them
    with pytest.raises(ValueError, match=r"1 tensors and other entries \['epoch'\]"):
        tensors_in({"a": a["a"], "epoch": 1})


def test_files_that_hold_no_dictionary(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds a list, expected a dictionary"):
        read_checkpoint(tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(ValueError, match="was not executed: it is damaged, or holds more"):
        read_checkpoint(tmp_path / "text.pth")
    with pytest.raises(FileNotFoundError, match="no weights file at"):
        read_checkpoint(tmp_path / "none.pth")


@pytest.fixture
def official(golden, tmp_path):
    """Two checkpoints on disk as the repositories write them, and what the models should say."""

    def write(name):
        arrays, config = golden(name), golden.config(name)["config"]
        sd, variant = checkpoint_of(arrays), variant_of(config)
        images, logits = (torch.from_numpy(arrays[k]) for k in ("in/image", "out/logits"))
        path = tmp_path / "checkpoint.pth"
        if name.startswith("segmenter"):
            torch.save({"model": sd, "n_cls": 7, "epoch": np.int64(3), **extras()}, path)
        else:
            text = f"norm_cfg = dict(type='SyncBN')\nmodel = {variant!r}\nlr = 0.01\n"
            torch.save({"meta": {"config": text, "iter": 5}, "state_dict": sd}, path)
        return path, variant, images, logits

    return write


def test_convert_segmenter_with_the_variant_beside_it(official, tmp_path, capsys):
    path, variant, images, logits = official("segmenter_mask")
    out = tmp_path / "out.safetensors"
    assert main(["convert", str(path), str(out)]) == 2
    assert "Name the variant.yml or the SETR configuration with --config" in capsys.readouterr().err
    variant["image_size"] = tuple(variant["image_size"])
    (tmp_path / "variant.yml").write_text(yaml.dump({"net_kwargs": variant}))
    assert "!!python/tuple" in (tmp_path / "variant.yml").read_text()
    assert main(["convert", str(path), str(out)]) == 0
    said = capsys.readouterr().out
    assert "75 tensors used, each once; 2 are dead" in said and "encoder.head.weight" in said
    with torch.no_grad():
        torch.testing.assert_close(load_model(out).eval()(images), logits, atol=1e-4, rtol=0)


def test_convert_setr_with_the_configuration_inside_or_named(official, tmp_path, capsys):
    path, variant, images, logits = official("setr_mla_c16")
    out = tmp_path / "out.safetensors"
    assert main(["convert", str(path), str(out)]) == 0
    with torch.no_grad():
        torch.testing.assert_close(load_model(out).eval()(images), logits, atol=2e-5, rtol=0)
    (tmp_path / "config.py").write_text(f"model = {variant!r}\nimport os\n")
    assert main(["convert", str(path), str(out), "--config", str(tmp_path / "config.py")]) == 2
    assert "line 2 is `import os`" in capsys.readouterr().err
    (tmp_path / "config.py").write_text(f"model = {variant!r}\n")
    assert main(["convert", str(path), str(out), "--config", str(tmp_path / "config.py")]) == 0
    assert main(["convert", str(path), str(tmp_path / "out.pth")]) == 2
    assert "must end in .safetensors" in capsys.readouterr().err
