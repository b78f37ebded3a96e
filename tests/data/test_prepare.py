"""From nothing to trees that `check` finds whole, and the labels made on the way."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.cli import main
from segtutor.data import ADE20K, CamVid, Cityscapes, PascalContext, detail, prepare, sources
from segtutor.data.cityscapes import to_train_ids, write_train_ids
from segtutor.data.manycores import each
from segtutor.data.miniature import write_miniature
from segtutor.data.polygons import paint_polygons
from segtutor.data.rle import decode, encode
from tests.data.server import serving

SIZE = (32, 48)


@pytest.fixture(autouse=True)
def nothing_else_is_found(monkeypatch, tmp_path):
    monkeypatch.delenv("SEGTUTOR_DATA", raising=False)
    monkeypatch.setenv("SEGTUTOR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "data"


def zipped(folder: Path) -> bytes:
    path = folder.parent / "packed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder))
    return path.read_bytes()


def run(name: str, root: Path, *more: str) -> int:
    return main(["data", "prepare", name, "--data-root", str(root), "--workers", "1", *more])


def test_ade20k_from_its_zip(tmp_path, root, monkeypatch, capsys):
    packed = zipped(write_miniature("ade20k", tmp_path / "there", count=2, size=SIZE))
    sha1 = hashlib.sha1(packed).hexdigest()
    with serving({"ade.zip": packed}) as site:
        site.breaks, site.after = 1, 5000
        source = sources.SOURCES["ade20k"]._replace(url=f"{site.url}/ade.zip", sha1=sha1)
        monkeypatch.setitem(sources.SOURCES, "ade20k", source)
        assert run("ade20k", root) == 0
        said = capsys.readouterr().out
        assert "non-commercial" in said and "ade20k train: 2" in said and "ready" in said
        assert len(ADE20K("val", root)) == 2
        asked = len(site.asked)
        assert run("ade20k", root) == 0  # a second call finds all there
        assert "unpacked already" in capsys.readouterr().out and len(site.asked) == asked

        # half unpacked: `check` says so, `prepare` goes on
        lost = root / "ade20k/ADEChallengeData2016/annotations/training/ADE_train_00000002.png"
        lost.unlink()
        check = ["data", "check", "ade20k", "--subset", "--data-root", str(root)]
        assert main(check) == 1
        said = capsys.readouterr().out
        assert "1 files of" in said and "ADE_train_00000002.png: half unpacked?" in said
        assert run("ade20k", root) == 0 and lost.exists() and main(check) == 0
        assert len(site.asked) == asked


def test_zip_that_was_cut_is_a_problem_for_check(root, capsys):
    write_miniature("ade20k", root, count=2, size=SIZE)
    (root / "downloads").mkdir()
    (root / "downloads" / "ADEChallengeData2016.zip").write_bytes(b"PK\3\4 and no more")
    assert main(["data", "check", "ade20k", "--subset", "--data-root", str(root)]) == 1
    assert "ADEChallengeData2016.zip is not a whole archive" in capsys.readouterr().out


def test_pascal_context_from_the_detail_annotation(tmp_path, root, capsys, monkeypatch):
    there = PascalContext(
        "train", write_miniature("pascal_context", tmp_path / "b", count=3, size=SIZE)
    )
    write_miniature("pascal_context", root, count=3, size=SIZE, raw=True)
    assert run("pascal_context", root) == 0
    assert "{'train': 3, 'val': 3}" in capsys.readouterr().out
    for classes in (60, 59):
        made = PascalContext("train", root, classes=classes)
        assert made.names == there.names
        assert len(PascalContext("val", root, classes=classes)) == 3
    assert all((PascalContext("train", root)[i].label == there[i].label).all() for i in range(3))
    monkeypatch.setattr(detail, "from_detail", None)
    assert run("pascal_context", root) == 0  # nothing is done twice


def test_pascal_context_from_exported_dictionaries(tmp_path, root):
    data = {"train": [], "val": []}
    write_miniature("pascal_context", root, count=2, size=SIZE)
    labels = root / "VOCdevkit/VOC2010/SegmentationClassContext"
    for split, year in (("train", 2008), ("val", 2009)):
        files = sorted(labels.glob(f"{year}*"))
        data[split] = [np.array(Image.open(f)) for f in files]
        pictures = {
            int(f.stem.replace("_", "")): Image.fromarray(np.array(Image.open(f))) for f in files
        }
        torch.save(pictures, tmp_path / f"{split}.pth", _use_new_zipfile_serialization=False)
    shutil.rmtree(labels)
    shutil.rmtree(root / "VOCdevkit/VOC2010/ImageSets")
    counts = detail.from_dictionaries(tmp_path, root / "VOCdevkit/VOC2010", workers=1)
    assert counts == {"train": 2, "val": 2}
    again = PascalContext("val", root)
    assert again.names == ["2009_000001", "2009_000002"]
    assert np.array_equal(again[1].label.numpy(), data["val"][1])


class Evil:
    def __reduce__(self):
        return print, ("run!",)


def test_dictionaries_are_not_executed(tmp_path, capsys):
    torch.save({2008000001: Evil()}, tmp_path / "train.pth")
    with pytest.raises(ValueError, match="train.pth is not a dictionary .* was not executed"):
        detail.from_dictionaries(tmp_path, tmp_path / "out")
    assert "run!" not in capsys.readouterr().out
    torch.save({2008000001: "x"}, tmp_path / "train.pth")
    with pytest.raises(ValueError, match="maps 2008000001 to str, not a picture"):
        detail.from_dictionaries(tmp_path, tmp_path / "out")


def test_detail_masks_lie_over_each_other_in_the_order_of_the_file():
    left, all_of_it = np.zeros(SIZE, bool), np.ones(SIZE, bool)
    left[:, :10] = True
    ids = [(2, encode(all_of_it)), (458, encode(left)), (459, encode(left & False))]
    label = detail.paint(SIZE, ids)
    assert (label[:, :10] == 59).all() and (label[:, 10:] == 1).all()
    assert (detail.paint(SIZE, []) == 0).all()  # background
    with pytest.raises(ValueError, match=r"a mask of \(32, 48\) on a photograph of \(32, 40\)"):
        detail.paint((32, 40), ids)


def test_detail_annotation_that_is_none(tmp_path):
    path = tmp_path / "trainval_merged.json"
    for text in ('{"images": []}', '{"images": [', "[]"):
        path.write_text(text)
        with pytest.raises(ValueError, match="merged.json is not a whole Detail annotation"):
            detail.from_detail(path, tmp_path)
    picture = {"image_id": 1, "file_name": "a.jpg", "height": 4, "width": 4, "phase": "train"}
    part = {"image_id": 1, "category_id": 2, "segmentation": {"size": [4, 4], "counts": "0P"}}
    path.write_text(json.dumps({"images": [picture], "annos_segmentation": [part]}))
    with pytest.raises(ValueError, match="annotation of a: a run-length mask whose text breaks"):
        detail.from_detail(path, tmp_path, workers=1)


# what pycocotools 2.0 makes of a disc and five bars
COCO = (
    "e95m06K4M2N2N2O0O2O000O2O00000001N10001N101N2N2N3L5Jn8LYF0000000000000M030000000000000M0300"
    "00000000000M030000000000000M030000000000000M030000000000000M030000000000000M030000000000000M"
    "030000000000000M030000000000000M030000000000000M030000000000000M"
)


def test_run_length_masks_are_those_of_coco():
    y, x = np.mgrid[:37, :53]
    mask = ((x - 20) ** 2 + (y - 15) ** 2 < 150) | ((x > 40) & (y % 5 == 0))
    assert encode(mask) == {"size": [37, 53], "counts": COCO}
    assert np.array_equal(decode({"size": [37, 53], "counts": COCO.encode()}), mask)
    random = np.random.default_rng(0)
    for share in (0, 0.02, 0.5, 0.98, 1):
        mask = random.random((9, 130)) < share
        assert np.array_equal(decode(encode(mask)), mask)
    plain = decode({"size": [2, 3], "counts": [1, 2, 3]})
    assert plain.tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize(
    "counts, message", [("\x7f", "foreign"), ([5], "with 5 in runs"), ("P" * 13 + "0", "60 bits")]
)
def test_run_length_masks_that_are_none(counts, message):
    with pytest.raises(ValueError, match=message):
        decode({"size": [2, 2], "counts": counts})


def polygons(path: Path, *objects: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"imgHeight": 10, "imgWidth": 20, "objects": objects}))
    return path


def box(label: str, left: int, top: int, right: int, bottom: int, **more) -> dict:
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return {"label": label, "polygon": corners, **more}


def test_polygons_are_painted_by_the_official_rules(tmp_path):
    path = polygons(
        tmp_path / "a_gtFine_polygons.json",
        box("road", 0, 0, 19, 9),
        box("cargroup", 2, 2, 9, 5),
        box("sky", 0, 0, 19, 9, deleted=1),
        box("license plate", 3, 3, 4, 4),
        box("person", 8, 4, 12, 6),
    )
    ids = paint_polygons(path)
    assert ids.shape == (10, 20) and ids[0, 0] == 7 and ids[2, 2] == 26 and ids[3, 3] == 26
    assert ids[5, 9] == 24 and ids[6, 12] == 24 and ids[6, 13] == 7
    target = write_train_ids(path)
    assert target.name == "a_gtFine_labelTrainIds.png"
    wanted = to_train_ids(torch.from_numpy(ids)).numpy()
    assert np.array_equal(np.array(Image.open(target)), wanted)
    # what nothing covers is "unlabeled", hence ignored
    assert paint_polygons(polygons(path, box("sky", 1, 1, 2, 2)))[0, 0] == 0
    assert write_train_ids(path).stat().st_mtime_ns == target.stat().st_mtime_ns


@pytest.mark.parametrize(
    "thing, message",
    [
        (box("unicorn", 0, 0, 1, 1), "a.json: object 0 has the label 'unicorn'"),
        ({"label": "road"}, r"a.json: object 0 \(road\) has no polygon"),
        ({"label": "road", "polygon": []}, r"a.json: object 0 \(road\) has no polygon"),
    ],
)
def test_polygons_that_cannot_be_painted(tmp_path, thing, message):
    with pytest.raises(ValueError, match=message):
        paint_polygons(polygons(tmp_path / "a.json", thing))
    (tmp_path / "a.json").write_text('{"objects": []}')
    with pytest.raises(ValueError, match="a.json is not a Cityscapes polygon file"):
        paint_polygons(tmp_path / "a.json")


def test_cityscapes_says_what_to_fetch_then_unpacks_it(tmp_path, root, capsys):
    assert run("cityscapes", root) == 1
    said = capsys.readouterr().out
    for part in ("register", "leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip", "11 GB"):
        assert part in said
    there = write_miniature("cityscapes", tmp_path / "there", count=2, size=SIZE, raw=True)
    (root / "downloads").mkdir(parents=True)
    for part, file in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine")):
        folder = tmp_path / part
        shutil.copytree(there / "cityscapes" / part, folder / part)
        (root / "downloads" / f"{file}_trainvaltest.zip").write_bytes(zipped(folder))
    shutil.rmtree(root.parent / "leftImg8bit")
    assert run("cityscapes", root, "--train-ids") == 1  # train_extra has photographs, no labels
    assert "no gtCoarse/train_extra" in capsys.readouterr().out
    shutil.rmtree(root / "cityscapes/leftImg8bit/train_extra")
    (root / "downloads" / "leftImg8bit_trainvaltest.zip").unlink()
    assert run("cityscapes", root, "--train-ids") == 0
    assert "cityscapes train: 2" in capsys.readouterr().out
    data = Cityscapes("val", root)
    assert data.labels[0].name.endswith("_labelTrainIds.png")
    assert (data[0].label == Cityscapes("val", there)[0].label).all()


def test_camvid_says_what_to_fetch(root, capsys):
    assert run("camvid", root) == 1
    said = capsys.readouterr().out
    assert "CC BY-NC" in said and f"{root}/camvid/labels/train" in said
    write_miniature("camvid", root, count=2, size=SIZE)
    assert run("camvid", root) == 0 and len(CamVid("test", root)) == 2


def test_unknown_names(root, capsys):
    assert run("coco", root) == 2
    assert "nothing to prepare for 'coco'; there are ade20k" in capsys.readouterr().err
    with pytest.raises(ValueError, match="labels 'x': expected 'detail' or 'export'"):
        prepare.prepare("pascal_context", root, labels="x")


def test_all_sources_name_an_address_and_a_digest():
    for source in sources.SOURCES.values():
        assert source.url.endswith(source.file) and len(source.sha1) == 40


def half(number: int) -> float:
    return number / 2


def test_many_cores_keep_the_order():
    numbers = list(range(130))
    assert each(half, numbers, workers=2, what="halves") == [n / 2 for n in numbers]
