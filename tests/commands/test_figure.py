"""`segtutor figure`, from files to files."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.cli import main
from segtutor.commands.figure import VIEWS
from segtutor.models import segmenter_linear, segmenter_mask
from segtutor.weights import save_model

SMALL = dict(size=(24, 3, 2), patch=8, image=(32, 40), normalisation="imagenet")


def run(*arguments) -> int:
    return main(["figure", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two models of three classes, a photograph with labels, and a folder of three pairs."""
    root = tmp_path_factory.mktemp("figure")
    save_model(segmenter_linear(3, **SMALL), root / "linear.safetensors")
    save_model(segmenter_mask(3, decoder_heads=2, **SMALL), root / "mask.safetensors")
    random, mine = np.random.default_rng(0), root / "mine"
    for kind in ("images", "labels"):
        (mine / kind).mkdir(parents=True)
    for name in ("a", "b", "c"):
        photo = random.integers(0, 256, (40, 56, 3), dtype=np.uint8)
        label = np.kron(random.integers(0, 3, (5, 7), dtype=np.uint8), np.ones((8, 8), np.uint8))
        Image.fromarray(photo).save(mine / "images" / f"{name}.png")
        Image.fromarray(label).save(mine / "labels" / f"{name}.png")
    (mine / "classes.txt").write_text("road\ncar\nsky\n")
    return root


@pytest.fixture
def place(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


PHOTO = "mine/images/a.png"
CALLS = {
    "architecture": ("mask.safetensors",),
    "attention": ("mask.safetensors", PHOTO, "--patch", 1, 2, "--layers", 0, 2),
    "rollout": ("linear.safetensors", PHOTO),
    "distance": ("linear.safetensors", PHOTO),
    "features": ("linear.safetensors", PHOTO),
    "positions": ("linear.safetensors", "--size", 48, 64),
    "classes": ("mask.safetensors", "--classes", "mine/classes.txt"),
    "comparison": ("linear.safetensors", "mask.safetensors", PHOTO, "--classes",
                   "mine/classes.txt", "--truth", "mine/labels/a.png"),
    "failures": ("linear.safetensors", "mask.safetensors", "--data", "mine"),
    "tradeoff": (),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_every_figure_is_written_with_its_words(place, capsys, name):
    assert run(name, *CALLS[name], "--out", "out/figure.png", "--dpi", 40) == 0
    said = capsys.readouterr().out
    with Image.open("out/figure.png") as picture:
        alt = picture.info["Description"]
        assert np.array(picture.convert("L")).std() > 5  # something is drawn
    assert len(alt.split()) > 10 and alt in said and "written to out/figure.png" in said
    assert "random weights" not in alt


def test_all_figures_are_tried():
    assert set(CALLS) == set(VIEWS)


@pytest.mark.parametrize("arguments, words", [
    (("attention", "mask.safetensors", PHOTO, "--token", "cls"), "the cls token"),
    (("attention", "mask.safetensors", PHOTO, "--of-class", "car", "--classes", "mine/classes.txt"),
     "class car in the decoder"),
    (("attention", "linear.safetensors", PHOTO, "--head", 1), "1 columns (head 2 to head 2)"),
    (("features", "linear.safetensors", PHOTO, "--channels", 1), "of 24 channels of Z2"),
    (("positions", "linear.safetensors"), "stored, 4x5"),
    (("classes", "mask.safetensors", PHOTO), "Masks of 3 classes"),
    (("comparison", "mask.safetensors", PHOTO), "Classes: class"),
    (("architecture", "segmenter-linear-tiny-16", "--size", 64, 96), "3 × 64 × 96 pixels"),
])  # fmt: skip
def test_what_is_asked_for_is_shown(place, capsys, arguments, words):
    assert run(*arguments, "--out", "f.png", "--dpi", 30) == 0
    assert words in capsys.readouterr().out


def test_svg_holds_title_and_letters(place, capsys):
    assert run("architecture", "linear.safetensors", "--out", "f.svg") == 0
    text = (place / "f.svg").read_text()
    assert "<svg" in text and re.search(r"<title>Segmenter, linear decoder, boxes", text)


def test_untrained_weights_are_named_on_the_figure(place, capsys):
    common = ("positions", "segmenter-linear-tiny-16", "--out", "f.svg")
    assert run(*common) == 0
    said = capsys.readouterr().out
    assert "random weights: segmenter-linear-tiny-16 has learnt nothing" in said
    assert "random weights: segmenter-linear-tiny-16" in (place / "f.svg").read_text()


def test_files_of_one_name_go_by_their_folders(place, capsys):
    for folder, model in (("one", "linear"), ("two", "mask")):
        (place / folder).mkdir()
        (place / folder / "model.safetensors").write_bytes(
            (place / f"{model}.safetensors").read_bytes()
        )
    models = ("one/model.safetensors", "two/model.safetensors")
    assert run("comparison", *models, PHOTO, "--out", "f.png", "--dpi", 30) == 0
    assert "the answers of one and two," in capsys.readouterr().out


def test_without_a_name_all_figures_are_listed(capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(VIEWS)


def test_our_own_speed_and_accuracy(place, capsys):
    results = [{"task": "predict", "ours": {"images_s": 9.0}}]
    record = dict(model="segmenter-linear-tiny-16", size=192, machine="m", device="cpu",
                  results=results)  # fmt: skip
    (place / "bench.json").write_text(json.dumps(record))
    line = {"run": "camvid-segmenter-linear-tiny-16", "data": "camvid", "miou": 0.5}
    (place / "l.jsonl").write_text(json.dumps(line) + "\n")
    both = ("--bench", "bench.json", "--ledger", "l.jsonl")
    assert run("tradeoff", *both, "--out", "f.png", "--dpi", 30) == 0
    assert "camvid; m, 192 × 192; measured by us" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, message", [
    (("nothing", "--out", "f.png"), "no figure 'nothing'; there are architecture, attention"),
    (("positions", "linear.safetensors"), "--out is None, expected a file that ends in .png or"),
    (("positions", "linear.safetensors", "--out", "f.gif"), "--out is f.gif, expected a file"),
    (("attention", "linear.safetensors", "--out", "f.png"), "takes one photograph, got 0"),
    (("positions", "linear.safetensors", PHOTO, "--out", "f.png"), "takes no photograph, got 1"),
    (("failures", "linear.safetensors", "--out", "f.png"), "failures takes 2 models, got 1"),
    (("rollout", "gone.png", "--out", "f.png"), "'gone.png' is no file, no name of"),
    (("positions", "gone.safetensors", "--out", "f.png"), "no weights file at gone.safetensors"),
    (("attention", "linear.safetensors", PHOTO, "--layers", 3, "--out", "f.png"),
     "--layers holds 3, there are 3, 0..2"),
    (("attention", "linear.safetensors", PHOTO, "--head", 2, "--out", "f.png"),
     "--head is 2, the model has 2, 0..1"),
    (("attention", "linear.safetensors", PHOTO, "--patch", 4, 0, "--out", "f.png"),
     "patch (4, 0) is outside the 4x5 grid"),
    (("attention", "linear.safetensors", PHOTO, "--token", "dist", "--out", "f.png"),
     "there is no token 'dist': this model has cls"),
    (("attention", "linear.safetensors", PHOTO, "--of-class", "1", "--out", "f.png"),
     "linear.safetensors has no mask decoder"),
    (("attention", "mask.safetensors", PHOTO, "--of-class", "cow", "--out", "f.png"),
     "--of-class is 'cow', expected a number or one of class 0"),
    (("attention", "mask.safetensors", PHOTO, "--of-class", "3", "--out", "f.png"),
     "--of-class is 3, there are 3, 0..2"),
    (("attention", "mask.safetensors", PHOTO, "--of-class", "1", "--token", "cls", "--out",
      "f.png"), "exclude each other"),
    (("attention", "mask.safetensors", PHOTO, "--size", 30, 40, "--out", "f.png"), "30x40"),
    (("classes", "linear.safetensors", "--out", "f.png"), "has no class embeddings"),
    (("comparison", "mask.safetensors", "mask.safetensors", PHOTO, "--out", "f.png"),
     "the same model twice"),
    (("comparison", "mask.safetensors", PHOTO, "--truth", "mine/images/a.png", "--out", "f.png"),
     "mode RGB, expected one 8-bit channel"),
    (("failures", "mask.safetensors", "linear.safetensors", "--out", "f.png"), "with --data"),
    (("tradeoff", "--bench", "gone.json", "--out", "f.png"), "no file gone.json"),
    (("positions", "linear.safetensors", "--out", "mine/classes.txt/f.png"), "cannot write into"),
])  # fmt: skip
def test_mistakes_are_one_line(place, capsys, arguments, message):
    assert run(*arguments) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("segtutor: ")]
    assert len(lines) == 1 and message in lines[0], lines


def test_models_of_other_classes_are_not_compared(place, capsys):
    torch.manual_seed(1)
    save_model(segmenter_linear(4, **SMALL), "four.safetensors")
    assert run("comparison", "mask.safetensors", "four.safetensors", PHOTO, "--out", "f.png") == 2
    said = capsys.readouterr().err
    assert "mask.safetensors scores 3 classes, four.safetensors 4" in said
