"""`segtutor evaluate` and `segtutor predict`, from files to files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.cli import main
from segtutor.models import segmenter_linear
from segtutor.weights import save_model

CLASSES = ("road", "car", "sky")
SIZES = {"small": (20, 27), "wide": (40, 90), "square": (48, 48)}


@pytest.fixture
def place(tmp_path):
    """A model, and a folder of three labelled photographs of different sizes."""
    torch.manual_seed(0)
    model = segmenter_linear(3, (12, 1, 2), patch=8, image=(32, 32))
    save_model(model, tmp_path / "model.safetensors")
    random = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (tmp_path / "mine" / folder).mkdir(parents=True)
    for name, size in SIZES.items():
        photo = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        label = random.integers(0, 3, size, dtype=np.uint8)
        label[0] = 9
        Image.fromarray(photo).save(tmp_path / "mine" / "images" / f"{name}.png")
        Image.fromarray(label).save(tmp_path / "mine" / "labels" / f"{name}.png")
    (tmp_path / "mine" / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return tmp_path


def run(*arguments) -> int:
    return main([str(a) for a in arguments])


def test_evaluate_a_folder(place, capsys):
    out = place / "report"
    common = ("evaluate", place / "model.safetensors", place / "mine", "--ignore", 9)
    assert run(*common, "--out", out) == 0
    found = json.loads((out / "report.json").read_text())
    assert found["images"] == 3 and [c["name"] for c in found["classes"]] == list(CLASSES)
    labelled = sum((h - 1) * w for h, w in SIZES.values())
    assert sum(c["pixels"] for c in found["classes"]) == labelled
    assert found["protocol"]["window"] == [32, 32] and found["protocol"]["stride"] == [21, 21]
    assert {image["image"] for image in found["worst"]} == set(SIZES)
    assert "the classes of these data in three groups" in capsys.readouterr().out
    page = (out / "report.html").read_text()
    for text in ("Worst images", "Best images", *SIZES, *CLASSES, "95 % interval over images"):
        assert text in page, text
    assert page.count("data:image/jpeg") == 1 + 2 * 3  # confusion, three best, three worst
    assert Image.open(out / "confusion.png").size[0] > 100
    assert run(*common, "--multi-scale", "--limit", 1, "--window", 16, 16) == 0
    assert "1 images" in capsys.readouterr().out


def test_predict_writes_ids_colours_and_overlays(place, capsys):
    out = place / "out"
    common = ("predict", place / "model.safetensors")
    names = ("--classes", place / "mine" / "classes.txt")
    assert run(*common, place / "mine" / "images", "--out", out, *names) == 0
    for name, (height, width) in SIZES.items():
        ids = Image.open(out / "ids" / f"{name}.png")
        colours = np.array(Image.open(out / "colours" / f"{name}.png"))
        assert ids.mode == "L" and ids.size == (width, height)
        assert colours.shape == (height, width, 3)
        ids = np.array(ids)
        assert ids.max() <= 2
        for k in np.unique(ids):
            assert len(np.unique(colours[ids == k], axis=0)) == 1  # one colour a class
        drawn = Image.open(out / "overlays" / f"{name}.png")
        assert drawn.width == width and drawn.height > height  # the legend stands below
    assert "3 of 3 files" in capsys.readouterr().out


def test_predict_goes_on_after_a_broken_file(place, capsys):
    (place / "mine" / "images" / "square.png").write_bytes(b"no picture")
    out = place / "out"
    assert run("predict", place / "model.safetensors", place / "mine" / "images", "--out", out) == 1
    said = capsys.readouterr()
    assert "square.png cannot be read as an image" in said.err and "2 of 3" in said.out
    assert sorted(p.stem for p in (out / "ids").iterdir()) == ["small", "wide"]


@pytest.mark.parametrize("arguments, message", [
    (("evaluate", "MODEL", "nowhere"),
     "no data set 'nowhere': expected ade20k, pascal_context, pascal_context_59, cityscapes, camvid"
     ", or a folder"),
    (("evaluate", "MODEL", "MINE"), "holds label values [9], but there are 3 classes"),
    (("evaluate", "MODEL", "MINE", "--window", "16", "16", "--stride", "20", "8"),
     "stride is (20, 8), window (16, 16)"),
    (("evaluate", "MODEL", "MINE", "--batch", "0"), "--batch is 0, expected 1 or more"),
    (("evaluate", "MODEL", "MINE", "--limit", "0"), "--limit is 0, expected 1 or more"),
    (("evaluate", "MODEL", "MINE", "--out", "model.safetensors/x"), "choose another folder with"),
    (("evaluate", "MODEL", "MINE", "--protocol", "setr"), "no published protocol for 'mine'"),
    (("evaluate", "MODEL", "MINE", "--server", "o"), "mine has no test server that we know"),
    (("predict", "MODEL", "MINE/images", "--out", "mine/classes.txt"), "cannot write into mine/"),
    (("evaluate", "gone.safetensors", "MINE"), "no weights file at gone.safetensors"),
    (("predict", "MODEL", "nothing.jpg", "--out", "o"), "no file or folder nothing.jpg"),
    (("predict", "MODEL", "MINE/images", "MINE/labels", "--out", "o"), "would both be written as"),
    (("predict", "MODEL", "MINE/images", "--out", "o", "--classes", "camvid"),
     "model.safetensors scores 3 classes, camvid names 11"),
])  # fmt: skip
def test_mistakes_are_one_line(place, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(place)
    names = {"MODEL": "model.safetensors", "MINE": "mine"}
    arguments = [names.get(a, a.replace("MINE/", "mine/")) for a in arguments]
    assert run(*arguments) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("segtutor: ")]
    assert len(lines) == 1 and message in lines[0]


def test_checkpoint_of_other_classes_and_missing_names(place, capsys):
    (place / "mine" / "classes.txt").write_text("a\nb\nc\nd\n")
    assert run("evaluate", place / "model.safetensors", place / "mine", "--ignore", 9) == 2
    assert "model.safetensors scores 3 classes, mine has 4 (a, b, c, d)" in capsys.readouterr().err
    (place / "mine" / "classes.txt").unlink()
    assert run("evaluate", place / "model.safetensors", place / "mine") == 2
    assert "write the names of the classes into it" in capsys.readouterr().err
