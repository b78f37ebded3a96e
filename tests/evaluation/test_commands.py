"""`segtutor evaluate` and `segtutor predict`, from files to files."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.cli import main
from segtutor.data import ADE20K, Cityscapes
from segtutor.data.miniature import write_miniature
from segtutor.evaluation.video import Video, VideoWriter
from segtutor.models import segmenter_linear, setr_naive
from segtutor.weights import save_model
from tests.evaluation.conftest import CLASSES, SIZES


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
     "unknown data set 'nowhere'; there are ade20k, pascal_context, pascal_context_59"),
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


@pytest.fixture
def benchmarks(tmp_path, monkeypatch):
    """Miniatures of all four in one folder, and how to make a model for one of them."""
    for name in ("ade20k", "pascal_context", "cityscapes", "camvid"):
        write_miniature(name, tmp_path / "data", count=2, size=(40, 64))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGTUTOR_DATA", str(tmp_path / "data"))

    def model(classes, kind=segmenter_linear, image=(32, 32)):
        torch.manual_seed(0)
        return save_model(kind(classes, (12, 1, 2), patch=16, image=image), "m.safetensors")

    return model


@pytest.mark.parametrize("name, classes", [
    ("ade20k", 150), ("pascal_context", 60), ("pascal_context_59", 59), ("cityscapes", 19),
    ("camvid", 11),
])  # fmt: skip
def test_every_benchmark(benchmarks, capsys, name, classes):
    common = ("evaluate", benchmarks(classes), name, "--protocol", "own")
    assert run(*common) == 0
    said = capsys.readouterr().out
    assert "2 images" in said and "Windows of 32x32, stride 21x21" in said
    benchmarks(7)
    assert run(*common) == 2
    assert "m.safetensors scores 7 classes, " in capsys.readouterr().err


def test_the_papers_protocols_are_those_of_the_models(benchmarks, capsys):
    assert run("evaluate", benchmarks(150, image=(64, 64)), "ade20k", "--limit", 1) == 0
    assert (
        "64x64, stride 64x64; long side up to 256, short side up to 64" in capsys.readouterr().out
    )
    setr = benchmarks(19, setr_naive, image=(768, 768))
    assert run("evaluate", setr, "cityscapes", "--multi-scale") == 2
    assert "m.safetensors: SETR's code has had two rules" in capsys.readouterr().err
    small = ("--window", 256, 256, "--stride", 256, 256, "--limit", 1)
    assert run("evaluate", setr, "cityscapes", *small) == 0
    assert "long side up to 2049, short side up to 1025" in capsys.readouterr().out


def test_files_for_the_test_servers(benchmarks, capsys):
    for name, classes, data in (("ade20k", 150, ADE20K), ("cityscapes", 19, Cityscapes)):
        common = ("evaluate", benchmarks(classes), name, "--protocol", "own", "--split", "test")
        ends = run(*common, "--server", name)
        said = capsys.readouterr()
        if name == "cityscapes":  # its server takes 1024x2048 only
            assert ends == 2 and "the server wants 1024x2048" in said.err
            continue
        assert ends == 0 and "mIoU -" in said.out
        written = {p.stem: np.array(Image.open(p)) for p in (Path(name)).iterdir()}
        test = data("test")
        assert set(written) == {test[i].name for i in range(len(test))}
        for ids in written.values():
            assert ids.shape == (40, 64) and 1 <= ids.min() <= ids.max() <= 150


def clip(path, frames=5, size=(40, 64)):
    with VideoWriter(path, 10) as video:
        for i in range(frames):
            picture = np.zeros((*size, 3), np.uint8)
            picture[:, 8 * i : 8 * i + 8] = 255  # a bar that moves
            video.add(picture)
    return path


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="videos need PyAV: pip install segtutor[video]")


def test_a_video_comes_back_frame_by_frame(av, tmp_path):
    video = Video(clip(tmp_path / "clip.mp4"))
    assert (video.count, video.rate) == (5, 10)
    for i, frame in enumerate(video.frames()):
        assert frame.number == i and frame.image.shape == (3, 40, 64)
        assert frame.image.float().mean((0, 1)).argmax() // 8 == i
    assert len(list(video.frames(2))) == 2


def test_predict_a_folder_with_a_video(av, place, capsys):
    clip(place / "mine" / "images" / "clip.mp4")
    (place / "mine" / "images" / "broken.mp4").write_bytes(b"no film")
    out = place / "out"
    assert run("predict", place / "model.safetensors", place / "mine" / "images", "--out", out) == 1
    said = capsys.readouterr()
    assert "broken.mp4 cannot be read as a video" in said.err and "4 of 5 files" in said.out
    for kind in ("ids", "colours", "overlays"):
        assert len(list((out / kind / "clip").iterdir())) == 5
        assert (out / kind / "wide.png").is_file()
    assert np.array(Image.open(out / "ids" / "clip" / "000004.png")).shape == (40, 64)
    film = Video(out / "overlays" / "clip.mp4")
    assert film.count == 5 and film.rate == 10
    limited = ("--limit", 2, "--out", place / "few")
    clip(place / "other.mp4")
    assert run("predict", place / "model.safetensors", place / "other.mp4", *limited) == 0
    assert len(list((place / "few" / "ids" / "other").iterdir())) == 2


def test_a_video_is_never_in_memory(av, place, monkeypatch):
    """No more frames are decoded than the windows of a batch need."""
    from segtutor.evaluation import answers, own_protocol

    model = segmenter_linear(3, (12, 1, 2), patch=8, image=(32, 32))
    read = []

    def frames():
        for frame in Video(clip(place / "long.mp4", 30)).frames():
            read.append(frame.number)
            yield frame

    protocol = own_protocol((32, 32))  # 2 x 3 windows a frame
    for done, (frame, _) in enumerate(answers(model, frames(), protocol, batch=8)):
        assert frame.number == done and len(read) <= done + 3


def test_without_pyav_the_error_says_what_to_install(place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    (place / "clip.mp4").write_bytes(b"")
    out = ("--out", place / "out")
    assert run("predict", place / "model.safetensors", place / "clip.mp4", *out) == 1
    assert 'pip install "segtutor[video]"' in capsys.readouterr().err


def test_a_photograph_is_turned_as_the_camera_noted(place):
    picture = Image.fromarray(np.zeros((30, 50, 3), np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was held upright
    picture.save(place / "phone.jpg", exif=exif)
    out = place / "out"
    assert run("predict", place / "model.safetensors", place / "phone.jpg", "--out", out) == 0
    assert Image.open(out / "ids" / "phone.png").size == (30, 50)  # width, height
