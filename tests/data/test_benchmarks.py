"""ADE20K, Pascal Context and Cityscapes: miniature trees, and what can be wrong in them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.cli import main
from segtutor.data import ADE20K, Cityscapes, PascalContext, ade20k, broken_files, cityscapes
from segtutor.data import pascal_context as pascal
from segtutor.data.sheet import overlay

ADE = "ADEChallengeData2016"


@pytest.fixture(autouse=True)
def nothing_else_is_found(monkeypatch, tmp_path):
    monkeypatch.delenv("SEGTUTOR_DATA", raising=False)
    monkeypatch.setenv("SEGTUTOR_CACHE", str(tmp_path / "cache"))


def write(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def photo(seed=0, size=(24, 40)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def values(*numbers: int, size=(24, 40)) -> np.ndarray:
    """A label image in which each of these values stands."""
    return np.resize(np.array(numbers, np.uint8), size)


@pytest.fixture
def ade(tmp_path) -> Path:
    for folder, split in (("training", "train"), ("validation", "val")):
        for i in range(3):
            name = f"ADE_{split}_{i:08d}"
            write(tmp_path / ADE / "images" / folder / f"{name}.jpg", photo(i))
            write(tmp_path / ADE / "annotations" / folder / f"{name}.png", values(0, 1, 150))
    return tmp_path


@pytest.fixture
def pcontext(tmp_path) -> Path:
    root = tmp_path / "VOCdevkit" / "VOC2010"
    for i in range(4):
        write(root / "JPEGImages" / f"2008_{i:06d}.jpg", photo(i))
    for i in range(3):
        write(root / "SegmentationClassContext" / f"2008_{i:06d}.png", values(0, 1, 59))
    lists = root / "ImageSets" / "SegmentationContext"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2008_000002\n2008_000000\n")
    (lists / "val.txt").write_text("2008_000001\n")
    return tmp_path


@pytest.fixture
def streets(tmp_path) -> Path:
    for split, city in (("train", "aachen"), ("train", "bremen"), ("val", "lindau")):
        name = f"{city}_000000_000019"
        write(tmp_path / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", photo())
        labels = tmp_path / "gtFine" / split / city / f"{name}_gtFine_labelIds.png"
        write(labels, values(0, 7, 33, 9))
    write(tmp_path / "leftImg8bit/test/berlin/berlin_000001_000019_leftImg8bit.png", photo())
    return tmp_path


def found(sample) -> list[int]:
    return sample.label.unique().tolist()


def test_ade20k(ade):
    data = ADE20K("train", ade)
    assert len(data) == 3 and data.names[0] == "ADE_train_00000000"
    assert len(data.classes) == len(data.palette) == 150
    assert data[0].image.shape == (3, 24, 40) and found(data[0]) == [0, 149, 255]
    assert data.classes[0] == "wall" and data.classes[149] == "flag"
    assert data.palette[0] == (120, 120, 120)
    # the folder itself, and the places both papers' code uses
    assert len(ADE20K("val", ade / ADE)) == 3
    (ade / "ade20k").mkdir()
    (ade / ADE).rename(ade / "ade20k" / ADE)
    assert ADE20K("val", ade).names[2] == "ADE_val_00000002"


def test_ade20k_test_photographs_have_no_labels(tmp_path):
    write(tmp_path / "release_test" / "testing" / "ADE_test_00000001.jpg", photo())
    data = ADE20K("test", tmp_path)
    assert data.names == ["ADE_test_00000001"] and found(data[0]) == [255]


@pytest.mark.parametrize("classes, expected", [(60, [0, 1, 59]), (59, [0, 58, 255])])
def test_pascal_context(pcontext, classes, expected):
    data = PascalContext("train", pcontext, classes=classes)
    assert data.names == ["2008_000002", "2008_000000"]  # the list's order
    assert found(data[0]) == expected
    assert len(data.classes) == len(data.palette) == classes
    assert data.classes[-1] == "wood"
    assert data.classes[0] == ("background" if classes == 60 else "aeroplane")


def test_sorted_id_rule_of_the_detail_annotation():
    assert pascal.from_annotation(np.array([[0, 2, 9], [458, 454, 1]])).tolist() == [
        [0, 1, 2],
        [59, 58, 0],
    ]
    assert pascal.from_annotation(np.array([459], np.uint16)).tolist() == [0]
    assert list(pascal.ANNOTATION_IDS) == sorted(set(pascal.ANNOTATION_IDS))
    with pytest.raises(ValueError, match=r"annotation ids 3\.\.460, expected 0\.\.459"):
        pascal.from_annotation(np.array([3, 460]))


def test_cityscapes(streets):
    data = Cityscapes("train", streets)
    assert data.names == ["aachen_000000_000019", "bremen_000000_000019"]
    assert found(data[0]) == [0, 18, 255]
    assert data.classes[0] == "road" and data.classes[18] == "bicycle" and len(data.classes) == 19
    assert data.palette[13] == (0, 0, 142)  # car
    assert found(Cityscapes("test", streets)[0]) == [255]
    (streets / "cityscapes").mkdir()
    for part in ("leftImg8bit", "gtFine"):
        (streets / part).rename(streets / "cityscapes" / part)
    assert len(Cityscapes("val", streets)) == 1


def test_cityscapes_from_train_ids_alone(streets):
    path = next((streets / "gtFine" / "val").rglob("*.png"))
    path.unlink()
    write(path.with_name(path.name.replace("labelIds", "labelTrainIds")), values(0, 18, 255))
    assert found(Cityscapes("val", streets)[0]) == [0, 18, 255]


def test_the_nineteen_classes():
    ids = torch.arange(34, dtype=torch.uint8)[None]
    ours = cityscapes.to_train_ids(ids)[0]
    wanted = dict(zip([7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33], range(19), strict=True))
    assert {int(i): int(k) for i, k in zip(ids[0], ours, strict=True) if k != 255} == wanted


def test_test_server_files_come_back(tmp_path):
    prediction = torch.randint(0, 150, (24, 40))
    prediction[0, :2] = torch.tensor([0, 149])
    path = ade20k.write_for_server(prediction, "ADE_test_00000001", tmp_path / "out")
    assert path.name == "ADE_test_00000001.png"
    raw = np.array(Image.open(path))
    assert raw.dtype == np.uint8 and raw.min() == 1 and raw.max() == 150
    assert np.array_equal(raw - 1, prediction.numpy())

    prediction = torch.randint(0, 19, (24, 40), dtype=torch.uint8)
    path = cityscapes.write_for_server(prediction, "berlin_1", tmp_path, size=(24, 40))
    raw = torch.from_numpy(np.array(Image.open(path)))
    assert torch.equal(cityscapes.to_train_ids(raw), prediction)
    assert set(raw.unique().tolist()) <= {7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33}


def test_predictions_a_server_would_refuse(tmp_path):
    with pytest.raises(ValueError, match=r"berlin_1: the server wants 1024x2048 .* has 24x40"):
        cityscapes.write_for_server(torch.zeros(24, 40, dtype=torch.int64), "berlin_1", tmp_path)
    with pytest.raises(ValueError, match=r"a: class ids 0\.\.255, expected 0\.\.149"):
        ade20k.write_for_server(torch.tensor([[0, 255]]), "a", tmp_path)
    with pytest.raises(ValueError, match="a: expected class ids"):
        ade20k.write_for_server(torch.zeros(150, 4, 4), "a", tmp_path)
    assert list(tmp_path.iterdir()) == []  # nothing was written


READERS = [(ADE20K, "ADE20K"), (PascalContext, "Pascal Context"), (Cityscapes, "Cityscapes")]


@pytest.mark.parametrize("reader, name", READERS)
def test_wrong_root_and_unknown_split(tmp_path, reader, name):
    with pytest.raises(FileNotFoundError, match=rf"{name} not found; looked at .*SEGTUTOR_DATA"):
        reader("train", tmp_path)
    with pytest.raises(ValueError, match=rf"unknown {name} split 'dev'; there are train, val"):
        reader("dev", tmp_path)


def test_archives_that_were_not_unpacked(tmp_path):
    (tmp_path / "ADEChallengeData2016.zip").write_bytes(b"zip")
    with pytest.raises(FileNotFoundError, match="ADE20K is not unpacked yet: unpack .*2016.zip"):
        ADE20K("train", tmp_path)


def test_half_unpacked(ade, pcontext, streets):
    import shutil

    shutil.rmtree(ade / ADE / "annotations" / "validation")
    with pytest.raises(FileNotFoundError, match="incomplete: no annotations/validation. Unpack"):
        ADE20K("val", ade)
    assert len(ADE20K("train", ade)) == 3  # the other split is whole
    shutil.rmtree(streets / "gtFine")
    with pytest.raises(FileNotFoundError, match="no gtFine/train. Unpack leftImg8bit_trainvaltest"):
        Cityscapes("train", streets)
    shutil.rmtree(pcontext / "VOCdevkit/VOC2010/SegmentationClassContext")
    with pytest.raises(FileNotFoundError, match="no SegmentationClassContext. Unpack"):
        PascalContext("train", pcontext)


def test_empty_folders(ade):
    for path in (ade / ADE).rglob("*_train_*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="ADE20K train: 0 photographs, 0 label images"):
        ADE20K("train", ade)


def test_photographs_without_labels_and_the_other_way_round(ade):
    (ade / ADE / "annotations" / "training" / "ADE_train_00000001.png").unlink()
    (ade / ADE / "images" / "training" / "ADE_train_00000002.jpg").unlink()
    with pytest.raises(
        FileNotFoundError,
        match="2 photographs, 2 label images, 2 without partner; first ADE_train_00000001: no",
    ):
        ADE20K("train", ade)
    data = ADE20K("train", ade, strict=False)
    assert data.names == ["ADE_train_00000000"]
    assert list(data.problems) == ["ADE_train_00000001", "ADE_train_00000002"]


def test_list_that_names_a_missing_photograph(pcontext):
    lists = pcontext / "VOCdevkit/VOC2010/ImageSets/SegmentationContext"
    (lists / "val.txt").write_text("2008_000001\n2009_000009\n2008_000003\n")
    with pytest.raises(
        FileNotFoundError, match="2 without partner; first 2009_000009: no photograph of this name"
    ):
        PascalContext("val", pcontext)
    (lists / "val.txt").unlink()
    with pytest.raises(FileNotFoundError, match="no ImageSets/SegmentationContext/val.txt"):
        PascalContext("val", pcontext)


BAD_LABELS = {
    "16 bits": (np.full((24, 40), 7000, np.uint16), r"has mode I.*16-bit or wider"),
    "colours": (photo(), r"has mode RGB, .*colour-coded"),
    "value": (values(1, 151, 200), r"holds label values \[151, 200\]; expected 0\.\.150, 255"),
    "size": (values(1, size=(24, 41)), r"photo is 24x40 pixels, its label image 24x41"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_label_images_are_named(ade, case):
    array, message = BAD_LABELS[case]
    write(ade / ADE / "annotations" / "training" / "ADE_train_00000001.png", array)
    data = ADE20K("train", ade)
    with pytest.raises(ValueError, match=rf"ADE_train_00000001\..*{message}"):
        data[1]
    assert list(broken_files(data)) == ["ADE_train_00000001"]


def test_values_that_the_other_benchmarks_do_not_know(pcontext, streets):
    write(pcontext / "VOCdevkit/VOC2010/SegmentationClassContext/2008_000001.png", values(0, 60))
    with pytest.raises(ValueError, match=r"2008_000001.png holds .* \[60\]; expected 0\.\.59, 255"):
        PascalContext("val", pcontext)[0]
    path = next((streets / "gtFine" / "val").rglob("*.png"))
    write(path, values(7, 40))
    with pytest.raises(ValueError, match=r"labelIds.png holds .* \[40\]; expected 0\.\.33, 255"):
        Cityscapes("val", streets)[0]


def test_check_lists_every_problem(ade, capsys):
    labels = ade / ADE / "annotations" / "training"
    write(labels / "ADE_train_00000001.png", values(1, 151))
    (labels / "ADE_train_00000002.png").unlink()
    broken = ade / ADE / "images" / "validation" / "ADE_val_00000000.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    arguments = ["data", "check", "ade20k", "--data-root", str(ade)]
    assert main(arguments) == 1
    table = capsys.readouterr().out
    for part in (
        "ade20k train: 1 samples can be read",
        "ade20k val: 2 samples can be read",
        "5 problems",
        "ADE_train_00000002: no label image",
        "ADE_train_00000001.png holds label values [151]",
        "ADE_val_00000000.jpg cannot be read",
        "2 samples, the published split has 20210: unpacked only in part?",
        "3 samples, the published split has 2000",
    ):
        assert part in table
    assert main([*arguments, "--subset"]) == 1  # the files are still wrong
    assert "3 problems" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["pascal_context", "pascal_context_59", "cityscapes"])
def test_check_of_sound_trees(pcontext, streets, capsys, name):
    assert main(["data", "check", name, "--data-root", str(pcontext), "--subset"]) == 0
    assert capsys.readouterr().out.endswith("no problems\n")


def test_check_of_nothing(tmp_path, capsys):
    assert main(["data", "check", "cityscapes", "--data-root", str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("Cityscapes not found") == 2  # train and val
    assert main(["data", "check", "coco"]) == 2
    assert "unknown data set 'coco'; there are ade20k, pascal_context" in capsys.readouterr().err


def test_show(ade, capsys):
    out = ade / "pages" / "ade.html"
    assert main(["data", "show", "ade20k", "--data-root", str(ade), "--out", str(out)]) == 0
    page = out.read_text()
    assert "ADE20K val: 3 of 3 samples" in page and page.count("<img src=") == 3
    assert page.count("<tr><td style=") == 150
    # the values 0, 1, 150 take turns: a third each of ignored, wall and flag
    assert page.count("33.33%") == 3 and "wall, flag" in page


def test_overlay_leaves_ignored_pixels_alone():
    image, label = np.full((1, 3, 3), 100, np.uint8), np.array([[0, 1, 255]], np.uint8)
    mixed = overlay(image, label, np.array([[0, 0, 0], [200, 200, 200]], np.uint8), opacity=0.5)
    assert mixed[0, :, 0].tolist() == [50, 150, 100]


# SEGTUTOR_DATA itself, kept before the fixture above hides it from the readers
DATA = Path(os.environ.get("SEGTUTOR_DATA", "-"))


@pytest.fixture
def samples() -> Path:
    if not (DATA / "format_samples").is_dir():
        pytest.skip("SEGTUTOR_DATA holds no format_samples/ with files in the benchmarks' formats")
    return DATA / "format_samples"


@pytest.mark.real_data
def test_real_ade20k_files(samples):
    data = ADE20K("val", samples / "ade20k_challenge")
    assert [tuple(data[i].label.shape) for i in range(3)] == [(512, 683), (364, 500), (300, 400)]
    names = {data.classes[k] for k in found(data[0]) if k != 255}
    assert len(names) > 2 and broken_files(data) == {}


@pytest.mark.real_data
def test_real_cityscapes_file(samples):
    data = Cityscapes("val", samples / "cityscapes_mini")
    name = data.labels[0].name.replace("labelIds", "labelTrainIds")
    theirs = np.array(Image.open(data.labels[0].with_name(name)))
    same = (data[0].label.numpy() == theirs).mean()
    assert same > 0.997  # the two files were shrunk separately
