import math

import pytest
import torch

from segtutor.evaluation import MeanIoU, evaluate, majority_answer
from segtutor.models import segmenter_linear


def test_official_numbers(golden):
    arrays = golden("metrics_miou")
    score = MeanIoU(8)
    for i in range(3):
        single = MeanIoU(8)
        prediction = torch.from_numpy(arrays[f"plain/in/pred_{i}"])
        label = torch.from_numpy(arrays[f"plain/in/label_{i}"])
        single.update(prediction, label)
        hit = single.matrix.diagonal()
        predicted, true = single.matrix.sum(0), single.matrix.sum(1)
        areas = torch.stack([hit, predicted + true - hit, predicted, true])
        assert torch.equal(
            areas, torch.from_numpy(arrays["plain/out/areas_intersect_union_pred_label"][i])
        )
        score.merge(single)
    wanted = torch.from_numpy(arrays["plain/out/iou"])
    torch.testing.assert_close(score.iou, wanted, atol=0, rtol=0, equal_nan=True)
    torch.testing.assert_close(
        score.recall, torch.from_numpy(arrays["plain/out/acc"]), atol=0, rtol=0, equal_nan=True
    )
    result = score.result()
    means = arrays["plain/out/aAcc_mAcc_mIoU"]
    got = [result["pixel_accuracy"], result["mean_accuracy"], result["miou"]]
    assert got == pytest.approx(means.tolist(), abs=1e-12)


def test_official_numbers_with_the_reduced_zero_label(golden):
    """ADE20K's rule: raw 0 becomes ignore, every other id moves down by one."""
    arrays = golden("metrics_miou")
    score = MeanIoU(8)
    for i in range(3):
        raw = torch.from_numpy(arrays[f"reduce_zero/in/label_{i}"]).int()
        label = torch.where((raw == 0) | (raw == 255), 255, raw - 1)
        score.update(torch.from_numpy(arrays[f"reduce_zero/in/pred_{i}"]), label)
    wanted = torch.from_numpy(arrays["reduce_zero/out/iou"])
    torch.testing.assert_close(score.iou, wanted, atol=0, rtol=0, equal_nan=True)


def test_by_hand():
    score = MeanIoU(3)
    score.update(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 255]))
    assert score.iou[:2].tolist() == [0.5, 0.5] and math.isnan(score.iou[2])
    result = score.result()
    assert result["miou"] == 0.5  # the class that occurs nowhere does not count as 0 or as 1
    assert result["pixel_accuracy"] == pytest.approx(2 / 3)
    assert result["mean_accuracy"] == pytest.approx((1 + 0.5) / 2)


def test_images_of_different_sizes_add_up_to_one_matrix():
    torch.manual_seed(0)
    pairs = [(torch.randint(0, 4, s), torch.randint(0, 4, s)) for s in ((5, 7), (9, 2))]
    apart, together = MeanIoU(4), MeanIoU(4)
    for prediction, label in pairs:
        apart.update(prediction, label)
    together.update(*(torch.cat([a.flatten(), b.flatten()]) for a, b in zip(*pairs, strict=True)))
    assert torch.equal(apart.matrix, together.matrix)


@pytest.mark.parametrize("where,value", [("label", 4), ("label", 254), ("prediction", 4)])
def test_values_that_are_no_class_are_refused(where, value):
    arrays = {"label": torch.tensor([0, 1]), "prediction": torch.tensor([0, 1])}
    arrays[where] = torch.tensor([0, value])
    with pytest.raises(ValueError, match=f"{where} holds class {value}, but there are 4 classes"):
        MeanIoU(4).update(arrays["prediction"], arrays["label"])
    with pytest.raises(ValueError, match="prediction has class -1|prediction holds class -1"):
        MeanIoU(4).update(torch.tensor([-1]), torch.tensor([0]))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"prediction has shape \(2, 2\), label \(4, 4\)"):
        MeanIoU(3).update(torch.zeros(2, 2), torch.zeros(4, 4))


def test_nothing_counted_is_nan_not_a_number():
    score = MeanIoU(3)
    score.update(torch.zeros(4), torch.full((4,), 255))
    assert all(math.isnan(v) for v in score.result().values())


class Data:
    name, classes, palette, ignore = "made", ("a", "b", "c"), ((0, 0, 0),) * 3, 255

    def __init__(self, sizes):
        from segtutor.data import Sample

        self.samples = [
            Sample(
                torch.randint(0, 256, (3, *s), dtype=torch.uint8),
                torch.randint(0, 3, s, dtype=torch.uint8),
                "x",
            )
            for s in sizes
        ]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


def test_evaluate_is_predict_and_count():
    data = Data([(40, 33), (16, 64)])
    model = segmenter_linear(3, (12, 1, 2), image=(32, 32), normalisation="half").train()
    score, wanted = evaluate(model, data), MeanIoU(3)
    assert model.training  # as it was
    model.eval()
    from segtutor.data import normalise

    for image, label, _ in data:
        with torch.no_grad():
            wanted.update(model(normalise(image[None], "half")).argmax(1)[0], label)
    assert torch.equal(score.matrix, wanted.matrix)
    assert int(evaluate(model, data, limit=1).matrix.sum()) == 40 * 33


def test_majority_answer():
    data = Data([(10, 10)])
    data.samples[0].label[:] = 1
    data.samples[0].label[0] = 2
    result = majority_answer(data, data).result()
    assert result["pixel_accuracy"] == 0.9 and result["miou"] == pytest.approx(0.45)
