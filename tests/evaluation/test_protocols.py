"""The published settings, and what they refuse."""

import pytest

from segtutor.evaluation import Protocol, own_protocol, segmenter_protocol, setr_protocol


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
    (lambda: setr_protocol("ade20k", rule="head", decoder="mask"), "decoder is 'mask', expected"),
    (lambda: Protocol((32, 32), (32, 40)), r"stride is \(32, 40\), window \(32, 32\)"),
    (lambda: Protocol((32, 32), (32, 32), ratios=()), r"ratios is \(\), expected"),
    (lambda: Protocol((32, 32), (32, 32), rule="x"), "unknown size rule 'x'"),
    (lambda: own_protocol((8, 8), ratios=(0.01,)).copies((20, 20)), "nothing left at ratio 0.01"),
])  # fmt: skip
def test_mistakes_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
