"""Windows, scales and flips against the official probabilities, and their properties."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segtutor.data import normalise
from segtutor.data.dataset import Sample
from segtutor.data.resize import resize_image
from segtutor.evaluation import (
    answers,
    logits_of_copies,
    own_protocol,
    probabilities,
    stream_windows,
    task_of,
)
from segtutor.evaluation.inference import Copy, Task
from segtutor.weights import from_official
from tests.weights.official_cases import checkpoint_of, variant_of

ATOL = 1e-5  # of probabilities after sliding windows


class Official:
    """A golden's model, its copies as the official data pipeline hands them over, its answers."""

    def __init__(self, golden, name, window, stride, enlarge):
        self.arrays, self.config = golden(name), golden.config(name)["config"]
        self.model = from_official(checkpoint_of(self.arrays), variant_of(self.config)).eval()
        self.window, self.stride, self.enlarge = (window,) * 2, (stride,) * 2, enlarge
        self.size = tuple(self.config["ori_shape"])

    def task(self, *numbers: int) -> Task:
        copies = [
            Copy(torch.from_numpy(self.arrays[f"in/im_{i}"])[0], self.config["augs"][i][3])
            for i in numbers
        ]
        return Task(copies, len(copies), self.size)

    def run(self, *tasks: Task, **options):
        options = {"window": self.window, "stride": self.stride, "enlarge": self.enlarge} | options
        return list(probabilities(logits_of_copies(self.model, tasks, **options)))

    def wanted(self, name: str) -> torch.Tensor:
        array = torch.from_numpy(self.arrays[name])
        return (
            array[0]
            if array.ndim == 4 or name.startswith("out/pred_") and array.ndim == 3
            else array
        )


@pytest.fixture
def segmenter(golden):
    return Official(golden, "segmenter_inference", 32, 20, True)


@pytest.fixture
def setr(golden):
    return Official(golden, "setr_slide_inference", 48, 31, False)


def far(found: torch.Tensor, wanted: torch.Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max())


@pytest.mark.parametrize("batch", [4, 7, 64])
def test_segmenters_probabilities(segmenter, batch):
    ss = segmenter.config["ss_index"]
    tasks = [
        segmenter.task(ss),
        segmenter.task(ss + 1),
        segmenter.task(0),
        segmenter.task(*range(8)),
    ]
    plain, mirrored, small, multi = segmenter.run(*tasks, batch=batch)
    assert far(plain, segmenter.wanted("out/prob_ss")) <= ATOL
    assert far(mirrored, segmenter.wanted("out/prob_ss_flipped")) <= ATOL
    assert far(small, segmenter.wanted("out/prob_small")) <= ATOL  # 25x33, enlarged to the window
    assert far(multi, segmenter.wanted("out/prob_ms_flip")) <= ATOL
    assert (multi.argmax(0) == segmenter.wanted("out/pred_ms_flip")).float().mean() > 0.999


def test_segmenters_other_stride_and_logits(segmenter):
    ss = segmenter.config["ss_index"]
    (found,) = segmenter.run(segmenter.task(ss), stride=(32, 32))
    assert far(found, segmenter.wanted("out/prob_ss_stride32")) <= ATOL
    image = segmenter.task(ss).copies[0].image
    (logits,) = stream_windows(segmenter.model, [image], (32, 32), (20, 20))
    assert far(logits, segmenter.wanted("mid/avg_logits_ss")) <= 1e-4


def test_setrs_probabilities(setr):
    ss = setr.config["ss_index"]
    tasks = [setr.task(ss), setr.task(ss + 1), setr.task(*range(6))]
    plain, mirrored, multi = setr.run(*tasks, batch=5)
    assert far(plain, setr.wanted("out/prob_ss")) <= ATOL
    assert far(mirrored, setr.wanted("out/prob_ss_flipped")) <= ATOL
    assert far(multi, setr.wanted("out/prob_ms_flip")) <= ATOL
    assert (plain.argmax(0) == setr.wanted("out/pred_ss")).float().mean() > 0.999
    assert (multi.argmax(0) == setr.wanted("out/pred_ms_flip")).float().mean() > 0.999


def test_setrs_logits(setr):
    images = [setr.task(i).copies[0].image for i in (0, setr.config["ss_index"])]
    small, plain = stream_windows(setr.model, images, (48, 48), (31, 31), enlarge=False)
    assert far(small, setr.wanted("mid/slide_logits_small_native")) <= 2e-5
    assert far(plain, setr.wanted("mid/slide_logits_ss_resized")) <= 2e-5


class Colours(nn.Module):
    """A "model" that answers for each pixel alone, and remembers how large its batches were."""

    def __init__(self):
        super().__init__()
        self.weight, self.batches = nn.Parameter(torch.ones(())), []

    def forward(self, images):
        self.batches.append(len(images))
        return torch.cat([images, -images[:, :1]], 1) * self.weight  # (B, 4, h, w)


def test_batches_are_full_across_images_and_answers_stay_in_order():
    model = Colours()
    images = [torch.randn(3, *size) for size in ((32, 40), (50, 33), (20, 20), (64, 64))]
    found = list(stream_windows(model, images, (32, 32), (32, 32), batch=4))
    assert model.batches == [4, 4, 3]  # 2 + 4 + 1 + 4 windows
    for image, logits in zip(images, found, strict=True):
        if min(image.shape[-2:]) >= 32:
            torch.testing.assert_close(logits, Colours()(image[None])[0].detach())
    assert found[2].shape == (4, 32, 32)


def test_images_are_drawn_only_as_they_are_needed():
    drawn = []

    def images():
        for i in range(6):
            drawn.append(i)
            yield torch.zeros(3, 32, 64)  # two windows each

    stream = stream_windows(Colours(), images(), (32, 32), (32, 32), batch=4)
    next(stream)
    assert drawn == [0, 1]


def test_flips_and_scales_are_means_of_probabilities():
    image = torch.randint(0, 256, (3, 40, 50), dtype=torch.uint8)
    protocol = own_protocol((32, 32), ratios=(1.0, 1.5), flip=True)
    task = task_of(image, protocol, "half")
    assert task.count == 4
    (found,) = probabilities(logits_of_copies(Colours(), [task], protocol.window, protocol.stride))
    wanted = 0
    for size in ((40, 50), (60, 75)):
        copy = resize_image(image, size)
        logits = Colours()(normalise(copy[None], "half")).detach()
        wanted = wanted + F.interpolate(logits, size=(40, 50), mode="bilinear").softmax(1)[0] / 2
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)  # this model does not see mirrors


def test_a_mirrored_copy_is_turned_back():
    class Left(nn.Module):
        """Class 1 in the left half of whatever it sees."""

        def forward(self, images):
            scores = torch.zeros(len(images), 2, *images.shape[-2:])
            scores[:, 1, :, : images.shape[-1] // 2] = 5.0
            scores[:, 0, :, images.shape[-1] // 2 :] = 5.0
            return scores

    task = Task([Copy(torch.zeros(3, 8, 8), True)], 1, (8, 8))
    (p,) = probabilities(logits_of_copies(Left(), [task], (8, 8), (8, 8)))
    assert p.argmax(0)[0].tolist() == [0] * 4 + [1] * 4


def photographs(**sizes):
    return [Sample(torch.randint(0, 256, (3, *size), dtype=torch.uint8), None, name)
            for name, size in sizes.items()]  # fmt: skip


def test_one_copy_is_answered_without_a_soft_max_and_equally():
    """Also where the copy has another size than the photograph."""
    photos = photographs(large=(40, 60), small=(20, 33))
    protocol = own_protocol((32, 32), ratios=(1.3,))
    model = Colours().train()
    found = list(answers(model, photos, protocol, normalisation="half", batch=3))
    tasks = [task_of(photo.image, protocol, "half") for photo in photos]
    wanted = probabilities(logits_of_copies(Colours(), tasks, protocol.window, protocol.stride))
    for photo, (returned, prediction), p in zip(photos, found, wanted, strict=True):
        assert returned is photo and prediction.shape == photo.image.shape[-2:]
        assert (prediction == p.argmax(0)).float().mean() > 0.999
    assert model.training  # as it was


def test_answers_name_the_photograph_that_does_not_fit():
    protocol = replace(own_protocol((32, 32)), enlarge=False)
    with pytest.raises(ValueError, match=r"thin \(20x90 pixels\) becomes 20x90 at ratio 1.0"):
        photos = photographs(good=(40, 40), thin=(20, 90))
        list(answers(Colours(), photos, protocol, normalisation="half"))


def test_half_precision_windows_are_summed_in_single_precision():
    image = torch.rand(3, 32, 64)
    (found,) = stream_windows(Colours().half(), [image.half()], (32, 32), (4, 4))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[:3], image, atol=1e-3, rtol=0)
