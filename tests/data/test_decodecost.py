"""The measurement measures what it says; the numbers themselves are the machine's."""

import time

import pytest
import torch

from segtutor.cli import main
from segtutor.data.dataset import Sample
from segtutor.data.decodecost import decode_cost, official_pipeline
from segtutor.data.miniature import write_miniature


class Slow:
    """Takes 5 ms to read, which no machine does faster."""

    name, classes, palette, ignore = "slow", ("a",), ((0, 0, 0),), 255

    def __len__(self):
        return 3

    def __getitem__(self, index):
        time.sleep(0.005)
        label = torch.zeros(48, 64, dtype=torch.uint8)
        return Sample(torch.zeros(3, 48, 64, dtype=torch.uint8), label, str(index))


def test_rates_are_images_a_second():
    (rates,) = decode_cost(Slow(), official_pipeline("-", (48, 64)), workers=[0], count=12)
    assert rates.workers == 0
    assert 10 < rates.read <= 200.5 and 0 < rates.ready <= 200.5
    with pytest.raises(ValueError, match="count is 4, expected at least 8"):
        decode_cost(Slow(), official_pipeline("-", (48, 64)), count=4)


def test_pipelines_are_the_official_ones():
    pipeline = official_pipeline("pascal_context_59", (10, 10))
    assert (pipeline.base, pipeline.crop) == ((4160, 520), (480, 480))
    own = official_pipeline("camvid", (360, 480))
    assert (own.base, own.crop) == ((480, 360), (192, 192))


def test_command(tmp_path, capsys):
    write_miniature("camvid", tmp_path, count=2, size=(48, 64))
    more = ["--data-root", str(tmp_path), "--workers", "0", "--count", "8"]
    assert main(["data", "time", "camvid", *more]) == 0
    said = capsys.readouterr().out
    assert "CamVid train, crops of 192x192" in said and "images/s" in said
