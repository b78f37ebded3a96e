"""The generated trees: read by the readers, coded as the benchmarks code, the same every time."""

import json

import numpy as np
import pytest

from segtutor.data import ADE20K, CamVid, Cityscapes, PascalContext
from segtutor.data.check import check
from segtutor.data.miniature import NAMES, cells, runs, write_miniature

READERS = {
    "ade20k": ADE20K,
    "pascal_context": PascalContext,
    "cityscapes": Cityscapes,
    "camvid": CamVid,
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    for name in NAMES:
        assert write_miniature(name, folder, count=3, size=(48, 64)) == folder
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_check_finds_no_fault(trees, name):
    checked = check(name, trees, subset=True)
    assert not checked.problems
    assert {n for split, n in checked.counts.items() if split != "train_extra"} == {3}


@pytest.mark.parametrize("name", NAMES)
def test_classes_keep_their_names(trees, name):
    data = READERS[name]("train", trees)
    assert data[0].image.shape == (3, 48, 64)
    seen = {data.classes[k].lower() for i in range(3) for k in data[i].label.unique() if k != 255}
    assert {"sky", "building"} <= seen and seen & {"tree", "vegetation"}
    allowed = {"sky", "building", "tree", "vegetation", "grass", "terrain", "road", "water", "car"}
    assert seen <= allowed | {"person", "pedestrian", "background"}


def test_splits_show_other_scenes_and_seeds_too(trees, tmp_path):
    write_miniature("ade20k", tmp_path, count=2, size=(48, 64))
    first, again = ADE20K("train", trees)[0], ADE20K("train", tmp_path)[0]
    assert (first.image == again.image).all() and (first.label == again.label).all()
    assert (first.label != ADE20K("val", trees)[0].label).any()
    write_miniature("ade20k", tmp_path / "b", count=2, size=(48, 64), seed=1)
    assert (first.label != ADE20K("train", tmp_path / "b")[0].label).any()


def test_boxes_tile_a_label_map():
    label = np.random.default_rng(0).integers(0, 3, (7, 11), dtype=np.uint8)
    label[2:5, 3:9] = 1
    painted = np.full(label.shape, 9, np.uint8)
    for value, left, top, right, bottom in runs(label):
        assert (painted[top : bottom + 1, left : right + 1] == 9).all()  # no overlap
        painted[top : bottom + 1, left : right + 1] = value
    assert np.array_equal(painted, label)
    assert cells(np.zeros((9, 16), np.uint8))[-1] == (0, 8, 8, 15, 8)
    assert cells(np.eye(8, dtype=np.uint8)) == []


def test_coarse_annotation_labels_less_and_nothing_else(trees):
    coarse, fine = Cityscapes("train_extra", trees), Cityscapes("train", trees)
    shares = [(data[0].label != 255).float().mean() for data in (coarse, fine)]
    assert len(coarse) == 2 and 0 < shares[0] < shares[1]
    assert not set(coarse.names) & set(fine.names)
    polygons = json.loads(next((trees / "cityscapes/gtFine").rglob("*polygons.json")).read_text())
    assert polygons["imgHeight"] == 48
    assert "sky" in {thing["label"] for thing in polygons["objects"]}


def test_raw_cityscapes_are_polygons_that_paint_the_same(trees, tmp_path):
    write_miniature("cityscapes", tmp_path, count=2, size=(48, 64), raw=True)
    assert not list(tmp_path.rglob("*labelIds.png"))
    for split in ("train", "val", "train_extra"):
        painted, written = Cityscapes(split, tmp_path), Cityscapes(split, trees)
        assert (painted[0].label == written[0].label).all()


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="no miniature of 'coco'; there are ade20k, pascal"):
        write_miniature("coco", tmp_path)
    with pytest.raises(ValueError, match="a miniature of 1 photographs: expected 2 or more"):
        write_miniature("camvid", tmp_path, count=1)
