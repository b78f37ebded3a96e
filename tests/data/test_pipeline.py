"""The official training pipeline, step by step against the official code's numbers."""

import numpy as np
import pytest
import torch

from segtutor.data import Sample, TrainingPipeline, batches, normalise, photometric
from segtutor.data.pipeline import pad, random_window, varied
from segtutor.data.resize import (
    BASES,
    CROPS,
    fitted_size,
    resize_image,
    resize_label,
    segmenter_size,
    setr_size,
)
from segtutor.data.transforms import apply


def picture(array: np.ndarray) -> torch.Tensor:
    """OpenCV's (H, W, BGR) -> (RGB, H, W)."""
    return torch.from_numpy(array[..., ::-1].copy()).permute(2, 0, 1)


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> int:
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype == torch.uint8
    return int((ours.int() - theirs.int()).abs().max())


@pytest.fixture
def numbers(golden):
    return golden("data_pipeline")


RESIZED = {"up_64": (1000, 64), "down_20": (1000, 20), "longcap": (64, 64)}


@pytest.mark.parametrize("case", ["up_64", "down_20", "longcap", "x1.3"])
def test_resize(numbers, case):
    image, label = picture(numbers["in/img_bgr"]), torch.from_numpy(numbers["in/seg"])
    wanted = picture(numbers[f"out/resize_{case}_img"])
    size = tuple(wanted.shape[1:])
    if case in RESIZED:
        assert fitted_size((37, 53), RESIZED[case]) == size
    assert difference(resize_image(image, size), wanted) <= 1
    theirs = torch.from_numpy(numbers[f"out/resize_{case}_seg"])
    assert torch.equal(resize_label(label, size), theirs)


PHOTOMETRIC = [
    ("brightness", "+17.3", 1),
    ("brightness", "-25.8", 1),
    ("contrast", "1.37", 1),
    ("contrast", "0.61", 1),
    ("saturation", "1.45", 5),
    ("saturation", "0.52", 5),
    ("hue", "-13", 5),
    ("hue", "17", 5),
]


@pytest.mark.parametrize("step, value, levels", PHOTOMETRIC)
def test_photometric_steps(numbers, step, value, levels):
    amount = int(value) if step == "hue" else float(value)
    ours = getattr(photometric, step)(picture(numbers["in/img_bgr"]), amount)
    assert difference(ours, picture(numbers[f"out/photo_{step}_{value}"])) <= levels


def test_hue_saturation_value(numbers):
    wanted = torch.from_numpy(numbers["out/bgr2hsv_uint8"]).permute(2, 0, 1)
    ours = photometric.to_hsv(picture(numbers["in/img_bgr"]))
    around = (ours[0].int() - wanted[0].int()).abs()
    assert torch.minimum(around, 180 - around).max() <= 1
    assert difference(ours[1:], wanted[1:]) <= 1


def test_grey_has_no_hue_and_comes_back_unchanged():
    grey = torch.arange(256, dtype=torch.uint8).repeat(3, 1)[:, None]  # (3, 1, 256)
    assert (photometric.to_hsv(grey)[:2] == 0).all()
    assert torch.equal(photometric.hue(grey, 11), grey)


NAMES = [
    ("imagenet", "imagenet"),
    ("segmenter_vit", "half"),
    ("segmenter_deit", "imagenet_rounded"),
]


@pytest.mark.parametrize("theirs, ours", NAMES)
def test_normalise(numbers, theirs, ours):
    x = normalise(picture(numbers["in/img_bgr"]), ours).permute(1, 2, 0)  # (H, W, 3)
    wanted = torch.from_numpy(numbers[f"out/norm_{theirs}_rgb_hwc"])
    torch.testing.assert_close(x, wanted, atol=2e-6, rtol=0)


def test_pad(numbers):
    label, wanted = torch.from_numpy(numbers["in/seg"]), torch.from_numpy(numbers["out/pad_img"])
    before = wanted[:37, :53].permute(2, 0, 1)
    image, padded = pad(before, label, (48, 64))
    assert torch.equal(image.permute(1, 2, 0), wanted)
    assert torch.equal(padded, torch.from_numpy(numbers["out/pad_seg"]))


def test_a_window_shows_what_the_whole_would_show():
    image = torch.randint(0, 256, (3, 37, 53), dtype=torch.uint8)
    label = torch.randint(0, 9, (37, 53), dtype=torch.uint8)
    for size in [(61, 88), (19, 27), (37, 53)]:
        for window in [(0, 0, 11, 13), (8, 14, 11, 13), (5, 3, size[0] - 5, size[1] - 3)]:
            top, left, h, w = window
            rows, columns = slice(top, top + h), slice(left, left + w)
            whole = resize_image(image, size)[:, rows, columns]
            assert torch.equal(resize_image(image, size, window), whole)
            whole = resize_label(label, size)[rows, columns]
            assert torch.equal(resize_label(label, size, window), whole)


def test_evaluation_sizes(golden):
    windows = {"setr_ade20k": 512, "setr_pascal": 480, "setr_cityscapes": 768}
    for row in golden.config("eval_resize_sizes")["table"]:
        size, which = (row["h"], row["w"]), row["dataset"].removesuffix("_512")
        paper, data = which.split("_")
        base = BASES[paper, {"pascal": "pascal_context"}.get(data, data)]

        def check(wanted, got, where=(which, size)):
            assert got == tuple(wanted), where

        if paper == "segmenter":
            check(row["single_scale"], segmenter_size(size, base))
            for factor, wanted in row["multi"].items():
                check(wanted, segmenter_size(size, base, float(factor)))
            continue
        window = windows[which]
        check(row["single_scale"], setr_size(size, base, window=window))
        pascal = 1.0 if data == "pascal" else None
        wanted = row["release_2021_03_single_scale"]
        check(wanted, setr_size(size, base, pascal, window=window, rule="release"))
        for rule, key in [("head", "multi"), ("release", "release_2021_03_multi")]:
            for factor, wanted in row[key].items():
                check(wanted, setr_size(size, base, float(factor), window=window, rule=rule))


def test_unknown_size_rule():
    with pytest.raises(ValueError, match="unknown SETR size rule 'new'; there are head, release"):
        setr_size((10, 10), (20, 20), window=8, rule="new")


def street(h=60, w=90) -> Sample:
    """A photograph whose colours follow its labels: left half class 0, right half 1, one ignored
    strip.
    """
    label = torch.zeros(h, w, dtype=torch.uint8)
    label[:, w // 2 :] = 1
    label[:4] = 255
    return Sample(torch.stack([label * 100 + 20, label * 3 + 60, label * 0 + 90]), label, "street")


def pipeline(**changes) -> TrainingPipeline:
    options = dict(base=(240, 60), crop=(48, 64), normalisation="half", colours=False)
    return TrainingPipeline(**{**options, **changes})


def test_what_comes_out():
    shares = []
    for seed in range(40):
        torch.manual_seed(seed)
        image, label = apply(pipeline(), street())
        assert image.shape == (3, 48, 64) and image.dtype == torch.float32
        assert label.shape == (48, 64) and label.dtype == torch.uint8
        assert set(label.unique().tolist()) <= {0, 1, 255}
        shares.append(float((label == 255).float().mean()))
        # photograph and labels stay together: red says the class
        red = (image[0] * 0.5 + 0.5) * 255
        for k in (0, 1):
            inside = red[label == k].round()
            assert (inside - (20 + 100 * k)).abs().median() < 1 if len(inside) else True
    assert max(shares) > 0.3 and min(shares) < 0.1  # some were smaller than the crop, some not


def test_padding_is_zero_after_normalisation():
    image, label = pipeline(scale=(0.5, 0.5))(*street()[:2])  # 30x45
    assert (image[:, 30:] == 0).all() and (image[:, :, 45:] == 0).all()
    assert (label[30:] == 255).all() and (label[:30, :45] != 255).any()


def test_flip_moves_both():
    sample = street()
    still, flipped = (
        pipeline(scale=(1.0, 1.0), crop=(60, 90), flip=flip)(*sample[:2]) for flip in (0.0, 1.0)
    )
    assert torch.equal(flipped[0], still[0].flip(-1)) and torch.equal(flipped[1], still[1].flip(-1))
    assert torch.equal(still[0], normalise(sample.image, "half"))


def test_scale_is_drawn_from_the_whole_range(monkeypatch):
    sizes = []
    chooser = TrainingPipeline.choose_window
    monkeypatch.setattr(
        TrainingPipeline,
        "choose_window",
        lambda s, y, size: sizes.append(size) or chooser(s, y, size),
    )
    for _ in range(200):
        pipeline()(*street()[:2])
    short = torch.tensor([h for h, _ in sizes]) / 60
    assert 0.5 <= short.min() < 0.55 and 1.93 < short.max() <= 2.0
    assert abs(short.mean() - 1.25) < 0.1


def test_crops_of_mostly_one_class_are_drawn_anew():
    label = torch.zeros(200, 200, dtype=torch.uint8)
    label[:, 180:] = 1  # a tenth; most 40x40 crops see nothing of it
    always, never = pipeline(crop=(40, 40)), pipeline(crop=(40, 40), largest_share=1.0)
    good = {}
    for name, steps in (("limited", always), ("any", never)):
        good[name] = sum(
            varied(steps.choose_window(label, (200, 200))[1], 0.75) for _ in range(200)
        )
    # one window in sixteen is varied enough (left edge in 151..160); of eleven, every second time
    assert good["any"] < 40 and 75 < good["limited"] < 145


def test_varied():
    label = torch.full((10, 10), 255, dtype=torch.uint8)
    assert not varied(label, 0.75)  # nothing counted
    label[:4] = 3
    assert not varied(label, 0.75)  # one class
    label[4] = 7  # 40 and 10 pixels
    assert not varied(label, 0.8) and varied(label, 0.81)


def test_random_window_reaches_every_place():
    seen = {random_window((6, 3), (4, 5)) for _ in range(100)}
    assert seen == {(top, 0, 4, 3) for top in range(3)}


def test_distortion_does_every_step_in_either_order(monkeypatch):
    calls = []
    for step in ("brightness", "contrast", "saturation", "hue"):
        monkeypatch.setattr(
            photometric, step, lambda x, amount, step=step: calls[-1].append((step, amount)) or x
        )
    for _ in range(400):
        calls.append([])
        photometric.distort(torch.zeros(3, 2, 2, dtype=torch.uint8))
    orders = {tuple(step for step, _ in call) for call in calls}
    assert ("brightness", "contrast", "saturation", "hue") in orders
    assert ("brightness", "saturation", "hue", "contrast") in orders and () in orders
    amounts = {
        s: torch.tensor([a for c in calls for t, a in c if t == s]) for s, _ in sum(calls, [])
    }
    for step, (low, high) in {
        "brightness": (-32, 32),
        "contrast": (0.5, 1.5),
        "saturation": (0.5, 1.5),
        "hue": (-18, 17),
    }.items():
        drawn = amounts[step].float()
        assert 140 < len(drawn) < 260  # one in two
        assert low <= drawn.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < drawn.max() <= high


class Streets:
    name, classes, palette, ignore = "streets", ("a", "b"), ((0, 0, 0),) * 2, 255

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return street()


def test_batches_leave_a_normalised_picture_alone():
    options = dict(batch=2, steps=2, normalisation="imagenet", seed=1)
    for x, y in batches(Streets(), transform=pipeline(scale=(0.5, 0.5)), **options):
        assert x.shape == (2, 3, 48, 64) and (x[:, :, 30:] == 0).all() and y.dtype == torch.int64
        assert x[:, 2, :30, :45].unique().numel() <= 2 and x.max() <= 1
        assert x[0, 2, 10, 10] == pytest.approx(90 / 127.5 - 1, abs=1e-5)  # "half", once


def test_every_published_setting_has_its_numbers():
    assert {data for _, data in BASES} == set(CROPS)
    assert all(max(base) >= min(base) >= CROPS[data][0] for (_, data), base in BASES.items())


@pytest.mark.parametrize("wrong", [dict(scale=(2.0, 0.5)), dict(largest_share=0.0)])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        pipeline(**wrong)
