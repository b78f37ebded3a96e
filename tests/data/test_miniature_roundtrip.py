"""Each miniature goes the whole way: prepare, check, train, evaluate, predict."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segtutor.cli import main
from segtutor.data import sources
from segtutor.data.check import reader
from segtutor.data.miniature import write_miniature
from tests.data.server import serving
from tests.data.test_prepare import zipped

SIZE = (40, 56)
# a run of each benchmark, and what makes it small besides `SMALL`
RUNS = {
    "ade20k": ("ade20k-segmenter-mask-tiny-16", ["base=256,40"]),
    "pascal_context": ("pascal-context-setr-mla-large-80k", ["test=own", "base=0,0"]),
    "cityscapes": ("cityscapes-setr-pup-large-80k", ["test=own", "base=0,0"]),
    "camvid": ("camvid-segmenter-linear-tiny-16", ["frozen=0", "pipeline=official"]),
}
SMALL = ["steps=20", "batch=2", "precision=float32", "backbone=", "model.size=24,4,2",
         "model.image=32,32", "model.aux_layers=", "model.hidden=8", "model.head_hidden=8",
         "model.decoder_heads=2", "warmup=1", "optimiser=adamw", "lr=1e-3"]  # fmt: skip
WHERE = {
    "ade20k": "ade20k/ADEChallengeData2016/images/validation",
    "pascal_context": "VOCdevkit/VOC2010/JPEGImages",
    "cityscapes": "cityscapes/leftImg8bit/test/berlin",
    "camvid": "camvid/images/test",
}


@pytest.fixture(autouse=True)
def nothing_else_is_found(monkeypatch, tmp_path):
    monkeypatch.delenv("SEGTUTOR_DATA", raising=False)
    monkeypatch.setenv("SEGTUTOR_CACHE", str(tmp_path / "cache"))


def run(*arguments) -> int:
    return main([str(a) for a in arguments])


def prepare(name: str, root: Path, monkeypatch) -> None:
    """ADE20K comes as a zip from a server, the labels of two others are made, CamVid lies there."""
    if name != "ade20k":
        write_miniature(name, root, count=3, size=SIZE, raw=True)
        assert run("data", "prepare", name, "--data-root", root, "--workers", 1, "--train-ids") == 0
        return
    packed = zipped(write_miniature(name, root.parent / "there", count=3, size=SIZE))
    with serving({"a.zip": packed}) as site:
        sha1 = hashlib.sha1(packed).hexdigest()
        source = sources.SOURCES[name]._replace(url=f"{site.url}/a.zip", sha1=sha1)
        monkeypatch.setitem(sources.SOURCES, name, source)
        assert run("data", "prepare", name, "--data-root", root) == 0


@pytest.mark.parametrize("name", RUNS)
def test_the_whole_way(name, tmp_path, monkeypatch, capsys):
    root, out = tmp_path / "data", tmp_path / "run"
    prepare(name, root, monkeypatch)
    assert run("data", "check", name, "--data-root", root, "--subset") == 0

    recipe, more = RUNS[name]
    place = ("--data-root", root)
    assert run("train", recipe, "--override", *SMALL, *more, *place, "--out", out) == 0
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert len(log) == 20
    assert np.mean([r["loss"] for r in log[-5:]]) < np.mean([r["loss"] for r in log[:5]])
    first = json.loads((out / "report.json").read_text())

    model = out / "model.safetensors"
    own = ("--protocol", "own") if recipe.split("-setr-")[1:] else ()
    assert run("evaluate", model, name, *place, *own, "--out", out / "test") == 0
    second = json.loads((out / "test" / "report.json").read_text())
    assert second["images"] == 3 and second["confusion"] == first["confusion"]
    assert sum(map(sum, second["confusion"])) > 0

    photos = sorted((root / WHERE[name]).glob("*.*"))[:2]
    kind = ("--protocol", "own", "--classes", name)
    assert run("predict", model, *photos, "--out", out / "answers", *kind) == 0
    ids = np.array(Image.open(out / "answers" / "ids" / f"{photos[0].stem}.png"))
    assert ids.shape == SIZE and ids.max() < len(reader(name)("val", root).classes)
