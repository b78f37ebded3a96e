"""Reading pictures from disk, and what happens when they are not what they should be."""

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.cli import main
from segtutor.data import CamVid, FolderData, broken_files
from segtutor.data.dataset import read_label
from segtutor.data.folder import own_folder
from segtutor.data.readers import reader


def write(folder, name, array):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(folder / name)


@pytest.fixture
def folders(tmp_path):
    """Three pairs of 20x30 photos and labels with classes 0..2 and 9 as "ignore"."""
    random = np.random.default_rng(0)
    for i in range(3):
        write(
            tmp_path / "images", f"p{i}.png", random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        )
        label = random.integers(0, 3, (20, 30), dtype=np.uint8)
        label[0] = 9
        write(tmp_path / "labels", f"p{i}.png", label)
    return tmp_path


def open_folder(root, **options):
    options = {"raw_ignore": 9, **options}
    return FolderData(root / "images", root / "labels", ["a", "b", "c"], **options)


def test_pairs_are_read(folders):
    data = open_folder(folders)
    sample = data[1]
    assert len(data) == 3 and sample.name == "p1" and len(data.palette) == 3
    assert sample.image.shape == (3, 20, 30) and sample.image.dtype == torch.uint8
    assert set(sample.label.unique().tolist()) <= {0, 1, 2, 255} and (sample.label[0] == 255).all()
    wanted = np.array(Image.open(folders / "images" / "p1.png"))
    assert np.array_equal(sample.image.permute(1, 2, 0).numpy(), wanted)


def test_label_of_another_size_than_its_photo(folders):
    write(folders / "labels", "p1.png", np.zeros((20, 31), np.uint8))
    with pytest.raises(
        ValueError, match=r"p1.png: the photo is 20x30 pixels, its label image 20x31"
    ):
        open_folder(folders)[1]


def test_label_value_that_is_no_class(folders):
    write(folders / "labels", "p1.png", np.full((20, 30), 7, np.uint8))
    with pytest.raises(
        ValueError, match=r"p1.png holds label values \[7\], but there are 3 classes"
    ):
        open_folder(folders)[1]


def test_colour_coded_labels(folders):
    write(folders / "labels", "p1.png", np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ValueError, match=r"p1.png has mode RGB, expected one 8-bit channel"):
        read_label(folders / "labels" / "p1.png")


def test_missing_empty_and_unpaired_folders(folders, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere"):
        FolderData(tmp_path / "nowhere", folders / "labels", ["a"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no image files"):
        FolderData(tmp_path / "empty", folders / "labels", ["a"])
    (folders / "labels" / "p2.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 files have no partner .* first 'p2'"):
        open_folder(folders)


def test_one_truncated_file_is_named_and_the_rest_is_usable(folders):
    path = folders / "images" / "p1.png"
    path.write_bytes(path.read_bytes()[:200])
    data = open_folder(folders)
    problems = broken_files(data)
    assert list(problems) == ["p1"] and "p1.png cannot be read as an image" in problems["p1"]
    assert data[0].name == "p0" and data[2].name == "p2"


def fake_camvid(root, splits=("train", "val", "test")):
    random = np.random.default_rng(0)
    for split in splits:
        for name in ("0001TP_1", "0006R0_1", "0006R0_2"):
            label = random.integers(0, 12, (36, 48), dtype=np.uint8)
            photo = random.integers(0, 256, (36, 48, 3), dtype=np.uint8)
            write(root / "camvid" / "images" / split, f"{name}.jpg", photo)
            write(root / "camvid" / "labels" / split, f"{name}.png", label)
    return root


def test_camvid_layout_ignore_and_held_out_sequence(tmp_path):
    root = fake_camvid(tmp_path)
    data = CamVid("test", root)
    assert len(data) == 3 and len(data.classes) == len(data.palette) == 11
    assert set(data[0].label.unique().tolist()) <= {*range(11), 255}
    fit, held = CamVid("train-fit", root), CamVid("train-held", root)
    assert fit.names == ["0001TP_1"] and held.names == ["0006R0_1", "0006R0_2"]
    with pytest.raises(ValueError, match="unknown CamVid split 'dev'; there are train, val, test"):
        CamVid("dev", root)


def test_camvid_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.delenv("SEGTUTOR_DATA", raising=False)
    monkeypatch.setenv("SEGTUTOR_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="CamVid not found; looked at .*SEGTUTOR_DATA"):
        CamVid("train", tmp_path)


def test_camvid_with_one_truncated_file(tmp_path):
    root = fake_camvid(tmp_path)
    path = root / "camvid" / "images" / "train" / "0006R0_1.jpg"
    path.write_bytes(path.read_bytes()[:300])
    problems = broken_files(CamVid("train", root))
    assert list(problems) == ["0006R0_1"] and "0006R0_1.jpg cannot be read" in problems["0006R0_1"]


@pytest.mark.real_data
def test_real_camvid_counts(real_data):
    counts = {split: len(CamVid(split, real_data)) for split in ("train", "val", "test")}
    assert counts == {"train": 367, "val": 101, "test": 233}
    assert len(CamVid("train-fit", real_data)) + len(CamVid("train-held", real_data)) == 367
    sample = CamVid("test", real_data)[0]
    assert sample.image.shape == (3, 360, 480) and sample.label.shape == (360, 480)


def classes_file(root, text="a\nb\nc\nignore: 9\n"):
    (root / "classes.txt").write_text(text)
    return root


def test_a_folder_of_your_own_without_splits(folders):
    for i in range(3, 11):
        for kind in ("images", "labels"):
            (folders / kind / f"p{i}.png").write_bytes((folders / kind / "p0.png").read_bytes())
    classes_file(folders)
    everything, train, val = (own_folder(folders, split) for split in ("all", "train", "val"))
    assert everything.classes == ("a", "b", "c") and len(everything) == 11
    assert val.names == [everything.names[4], everything.names[9]]
    assert sorted(train.names + val.names) == everything.names
    assert val[0].name == val.names[0] and (val[0].label[0] == 255).all()  # 9 does not count
    with pytest.raises(FileNotFoundError, match="no split 'test'; there are train, val, all"):
        own_folder(folders, "test")


def test_a_folder_of_your_own_with_splits(folders):
    for kind in ("images", "labels"):
        (folders / kind).rename(folders / "train")
        (folders / kind).mkdir()
        (folders / "train").rename(folders / kind / "train")
    assert len(own_folder(classes_file(folders), "train")) == 3
    assert reader(str(folders))("train", None).name == f"{folders.name} train"
    with pytest.raises(FileNotFoundError, match="no split 'val'; there are train"):
        own_folder(folders, "val")


@pytest.mark.parametrize("text, message", [
    (None, "write the names of the classes into it"),
    ("a\nb\nc\nignore: void\n", "says ignore: 'void', expected 0..255"),
    ("a\nb\nc\nignore: 300\n", "says ignore: '300', expected 0..255"),
])  # fmt: skip
def test_bad_lists_of_classes(folders, text, message):
    if text:
        classes_file(folders, text)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        own_folder(folders)


def test_check_of_a_folder_lists_every_problem(folders, capsys):
    classes_file(folders)
    write(folders / "labels", "p1.png", np.full((20, 30), 7, np.uint8))
    write(folders / "images", "p7.png", np.zeros((20, 30, 3), np.uint8))
    write(folders / "labels", "p8.png", np.zeros((20, 30), np.uint8))
    assert main(["data", "check", str(folders)]) == 1
    told = capsys.readouterr().out
    assert "all: 2 samples can be read" in told and "3 problems" in told
    assert "p1.png holds label values [7]" in told
    assert "p7: no label image" in told and "p8: no photograph" in told
