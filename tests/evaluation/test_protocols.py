"""The published settings, the sizes that follow from them, and what they refuse."""

from dataclasses import replace

import pytest

from segtutor.config import ModelConfig
from segtutor.evaluation import (
    Protocol,
    own_protocol,
    protocol_for,
    segmenter_protocol,
    setr_protocol,
)


def sizes(protocol: Protocol, row: dict) -> list[list[int]]:
    loose = replace(protocol, enlarge=True, flip=False)  # sizes only
    return [list(size) for size, _ in loose.copies((row["h"], row["w"]))]


def test_every_official_size(golden):
    names = {"ade20k_512": "ade20k", "ade20k": "ade20k", "pascal": "pascal_context"}
    compared = 0
    for row in golden.config("eval_resize_sizes")["table"]:
        family, data = row["dataset"].split("_", 1)
        data = names.get(data, data)
        for prefix, rule in (("", "head"), ("release_2021_03_", "release")):
            if f"{prefix}multi" not in row:
                continue
            wanted = row[f"{prefix}multi"]
            for multi_scale in (False, True):
                if family == "segmenter":
                    protocol = segmenter_protocol(data, multi_scale=multi_scale)
                else:
                    decoder = "pup" if len(wanted) == 6 else "mla"
                    protocol = setr_protocol(
                        data, rule=rule, decoder=decoder, multi_scale=multi_scale
                    )
                found = sizes(protocol, row)
                if multi_scale:
                    assert [float(r) for r in wanted] == list(protocol.ratios), row
                    assert found == list(wanted.values()), (row["dataset"], rule)
                else:
                    assert found == [row[f"{prefix}single_scale"]], (row["dataset"], rule)
                compared += len(found)
    assert compared == 10 * 7 + 18 * 7 - 5 * 3


def test_published_settings():
    ade = segmenter_protocol("ade20k", multi_scale=True)
    assert (ade.window, ade.stride, ade.flip, ade.enlarge) == ((512, 512), (512, 512), True, True)
    assert len(ade.copies((512, 683))) == 12
    assert segmenter_protocol("cityscapes", stride=736).stride == (736, 736)
    large = segmenter_protocol("ade20k", side=640)
    assert (large.window, large.stride, large.bounds) == ((640, 640), (640, 640), (2560, 640))
    assert len(setr_protocol("ade20k", rule="head", decoder="mla", multi_scale=True).ratios) == 3
    assert len(setr_protocol("ade20k", rule="head", decoder="pup", multi_scale=True).ratios) == 6
    city = setr_protocol("cityscapes", rule="release")
    assert (city.stride, city.ratios, city.flip) == ((512, 512), (1.0,), False)


def test_scale_by_scale_each_with_its_mirror_image():
    protocol = own_protocol((32, 48), ratios=(0.5, 1.0), flip=True)
    assert protocol.stride == (21, 32)
    assert protocol.copies((40, 60)) == [
        ((20, 30), False),
        ((20, 30), True),
        ((40, 60), False),
        ((40, 60), True),
    ]


def test_an_image_smaller_than_setrs_window():
    protocol = setr_protocol("ade20k", rule="head")
    with pytest.raises(ValueError, match=r"long.jpg \(300x1600 pixels\) becomes 384x2048 at ratio 1"
                       r".*smaller than the window of 512x512"):  # fmt: skip
        protocol.copies((300, 1600), "long.jpg")
    multi = setr_protocol("ade20k", rule="head", multi_scale=True)
    assert multi.copies((300, 1600))[0] == ((512, 2731), False)  # this rule keeps the side up
    assert segmenter_protocol("ade20k").copies((300, 1600)) == [((384, 2048), False)]


@pytest.mark.parametrize("call, message", [
    (lambda: segmenter_protocol("coco"), "no published protocol for 'coco'; there are ade20k"),
    (lambda: setr_protocol("ade20k", rule="new"), "size rule is 'new', expected 'head' or"),
    (lambda: setr_protocol("ade20k", multi_scale=True), "choose rule='head' .* or 'release'"),
    (lambda: setr_protocol("ade20k", rule="head", decoder="mask"), "decoder is 'mask', expected"),
    (lambda: Protocol((32, 32), (32, 40)), r"stride is \(32, 40\), window \(32, 32\)"),
    (lambda: Protocol((32, 32), (32, 32), ratios=()), r"ratios is \(\), expected"),
    (lambda: Protocol((32, 32), (32, 32), rule="x"), "unknown size rule 'x'"),
    (lambda: own_protocol((8, 8), ratios=(0.01,)).copies((20, 20)), "nothing left at ratio 0.01"),
])  # fmt: skip
def test_mistakes_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_protocol_of_a_model():
    """By the names a user knows: the model's family on the benchmarks, "own" elsewhere."""
    segmenter = ModelConfig("segmenter", "mask", 150, image=(640, 640))
    setr = ModelConfig("setr", "mla", 150, image=(512, 512))
    assert protocol_for(segmenter, "ade20k") == segmenter_protocol("ade20k", side=640)
    assert protocol_for(segmenter, "camvid") == own_protocol((640, 640))
    assert protocol_for(segmenter, "pascal_context_59", kind="own").bounds is None
    assert protocol_for(setr, "cityscapes") == setr_protocol("cityscapes")
    found = protocol_for(setr, "ade20k", multi_scale=True, rule="release")
    assert found == setr_protocol("ade20k", multi_scale=True, rule="release", decoder="mla")
    found = protocol_for(segmenter, "ade20k", stride=(608, 608), multi_scale=True)
    assert (found.window, found.stride, len(found.ratios)) == ((640, 640), (608, 608), 6)
    assert protocol_for(setr, "mine", window=(32, 64), stride=(8, 8)).window == (32, 64)
    with pytest.raises(ValueError, match="no published protocol for 'mine'"):
        protocol_for(setr, "mine", kind="setr")


def test_a_protocol_in_words():
    text = segmenter_protocol("ade20k", multi_scale=True).describe()
    assert text == (
        "Windows of 512x512, stride 512x512; long side up to 2048, short side up to 512; scales "
        "0.5, 0.75, 1, 1.25, 1.5, 1.75, each with its mirror image."
    )
    assert "own size; one scale." in own_protocol((8, 8)).describe()
    assert "rule 'head'" in setr_protocol("ade20k", rule="head", multi_scale=True).describe()
