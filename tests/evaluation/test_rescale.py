"""Sizes and pixels of the copies against what the official code makes of them."""

import pytest
import torch

from segtutor.evaluation.protocols import Protocol, segmenter_protocol, setr_protocol
from segtutor.evaluation.rescale import copy_size, resized


def sizes(protocol: Protocol, row: dict) -> list[list[int]]:
    loose = Protocol(**{**vars(protocol), "enlarge": True, "flip": False})  # sizes only
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


def test_pixels_are_within_a_level_of_opencv(golden):
    arrays = golden("data_pipeline")
    image = torch.from_numpy(arrays["in/img_bgr"]).permute(2, 0, 1)  # (3, 37, 53)
    names = [k for k in arrays if k.startswith("out/resize") and k.endswith("_img")]
    assert len(names) == 4
    for name in names:
        wanted = torch.from_numpy(arrays[name]).permute(2, 0, 1).int()  # (3, h, w)
        found = resized(image, wanted.shape[-2:])
        assert found.dtype == torch.uint8 and int((found.int() - wanted).abs().max()) <= 1, name


def test_the_three_rules_by_hand():
    size, bounds = (480, 640), (2048, 512)
    assert copy_size(size, bounds) == (512, 683)
    assert copy_size(size, bounds, 0.5) == (256, 341)
    assert copy_size(size, bounds, 0.5, rule="head", window=512) == (512, 683)
    assert copy_size(size, bounds, 1.0, rule="release", window=512) == (2048, 2731)
    assert copy_size(size, None, 1.5) == (720, 960)
    with pytest.raises(ValueError, match="unknown size rule 'best'; there are plain, head"):
        copy_size(size, bounds, rule="best")


def test_a_copy_of_the_same_size_is_the_photograph_itself():
    image = torch.randint(0, 256, (3, 9, 7), dtype=torch.uint8)
    assert resized(image, (9, 7)) is image
