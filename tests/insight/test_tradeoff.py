"""Throughput against mIoU: what the paper prints, what we measured, and that they stay apart."""

import matplotlib.pyplot as plt
import pytest

from segtutor.insight.tradeoff import (
    PRINTED,
    Point,
    front,
    measured_points,
    published_points,
    tradeoff_alt,
    tradeoff_figure,
)
from segtutor.named import MODELS


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def bench(model="segmenter-linear-tiny-16", speed=9.0, device="cpu"):
    results = [{"task": "predict", "ours": {"images_s": speed}, "plain": {"images_s": 1.0}}]
    return {"model": model, "size": 192, "machine": "two cores", "device": device,
            "results": results}  # fmt: skip


def run(model="segmenter-linear-tiny-16", miou=0.5, data="camvid"):
    return {"run": f"{data}-{model}", "data": data, "miou": miou}


def test_published_points_are_the_papers():
    points = {p.name: p for p in published_points()}
    assert (points["Seg-Ti/16"].images_s, points["Seg-Ti/16"].miou) == (396, 39.03)
    assert (points["Seg-B†-Mask/16"].images_s, points["Seg-B†-Mask/16"].miou) == (76, 48.70)
    assert (points["Seg-L-Mask/16"].images_s, points["Seg-L-Mask/16"].miou) == (31, 51.82)
    assert (points["SETR-MLA large"].images_s, points["SETR-MLA large"].miou) == (34, 48.64)
    assert len(points) == 15 and all(name in MODELS for name in PRINTED)
    assert {(p.data, p.source) for p in points.values()} == {("ADE20K", "paper")}


def test_the_front_against_a_loop():
    points = published_points()
    kept = [
        p for p in points
        if not any(q.images_s >= p.images_s and q.miou >= p.miou and q != p for q in points)
    ]  # fmt: skip
    assert sorted(p.name for p in front(points)) == sorted(p.name for p in kept)
    speeds = [p.images_s for p in front(points)]
    assert speeds == sorted(speeds, reverse=True)


def test_benches_and_trainings_are_joined_by_name():
    benches = [bench(speed=5.0), bench(speed=9.0), bench("segmenter-mask-tiny-16", 4.0)]
    found = measured_points(benches, [run(miou=0.5), run(miou=0.6), run("setr-pup-small")])
    assert found == [
        Point("Seg-Ti/16", "linear", 9.0, pytest.approx(55.0), "camvid", "two cores, 192 × 192",
              "ours")
    ]  # fmt: skip
    assert measured_points([bench(device="H200")], [run()])[0].machine == "H200, 192 × 192"
    with pytest.raises(ValueError, match="no bench and no training belong together"):
        measured_points(benches, [run("setr-pup-small")])


def test_printed_and_measured_never_share_a_panel():
    ours = measured_points([bench()], [run()])
    figure = tradeoff_figure([*published_points(), *ours])
    first, second = figure.axes
    assert "printed in the paper" in first.get_title(loc="left")
    assert "measured by us" in second.get_title(loc="left")
    assert {t.get_text() for t in second.texts} == {"Seg-Ti/16"} and len(first.texts) == 15
    assert (first.collections[0].get_facecolor()[0] == 1).all()  # hollow
    assert not (second.collections[0].get_facecolor()[0] == 1).all()


def test_names_stay_apart():
    figure = tradeoff_figure(published_points())
    axis = figure.axes[0]
    places = [t.get_window_extent() for t in axis.texts]
    for i, a in enumerate(places):
        assert not any(a.overlaps(b) for b in places[:i]), axis.texts[i].get_text()


def test_the_words_hold_the_numbers():
    text = tradeoff_alt(published_points())
    assert "of 15 models. Fastest is Seg-S/32 with 1032 images/s and 40.6 % mIoU" in text
    assert "best UPerNet Swin-L with 52.1 % at 34 images/s" in text
    with pytest.raises(ValueError, match="no point to draw"):
        tradeoff_alt([])
