"""A whole evaluation by a protocol, and its report."""

import json

import pytest
import torch

from segtutor.data.toyscenes import ToyScenes
from segtutor.evaluation import (
    Scores,
    answers,
    as_text,
    evaluate,
    evaluate_protocol,
    own_protocol,
    report,
    write_report,
)
from segtutor.models import segmenter_linear


@pytest.fixture(scope="module")
def data():
    return ToyScenes("test", size=(48, 64), length=3)


def small_model(classes):
    torch.manual_seed(0)
    return segmenter_linear(classes, (32, 1, 2), patch=8, image=(32, 32))


def test_one_scale_is_what_evaluate_counts(data):
    model = small_model(len(data.classes)).train()
    protocol = own_protocol((32, 32), stride=(20, 20))
    scores = evaluate_protocol(model, data, protocol, batch=5)
    assert model.training  # as it was
    wanted = evaluate(model, data, window=(32, 32), stride=(20, 20))
    differ = (scores.whole.matrix - wanted.matrix).abs().sum()
    assert differ <= 4  # rounding may tip a pixel
    assert scores.names == [data[i].name for i in range(3)]
    assert torch.equal(scores.hit.sum(0), scores.whole.matrix.diagonal())
    assert torch.equal(scores.true.sum(0), scores.whole.matrix.sum(1))
    assert torch.equal(scores.predicted.sum(0), scores.whole.matrix.sum(0))
    several = own_protocol((32, 32), ratios=(0.75, 1.0), flip=True)
    other = evaluate_protocol(model, data, several, limit=2)
    counted = sum(int((data[i].label != 255).sum()) for i in range(2))
    assert len(other.names) == 2 and int(other.whole.matrix.sum()) == counted


def test_another_number_of_classes(data):
    with pytest.raises(ValueError, match="the model scores 3 classes, toyscenes has 8 "
                       r"\(sky, .*\): it was trained on other data"):  # fmt: skip
        evaluate_protocol(small_model(3), data, own_protocol((32, 32)))


def made():
    """Three images of 3 classes: all right, half right, all wrong; one ignored altogether."""
    scores, label = Scores(3), torch.tensor([[0, 0, 1, 2]])
    scores.update(label, label, "right")
    scores.update(torch.tensor([[0, 0, 2, 1]]), label, "half")
    scores.update(torch.tensor([[1, 1, 2, 0]]), label, "wrong")
    scores.update(label, torch.full((1, 4), 255), "ignored")
    return scores


def test_best_and_worst_images():
    scores = made()
    assert scores.per_image()[:3].tolist() == pytest.approx([1, 1 / 3, 0])
    found = scores.extremes(2)
    assert [scores.names[i] for i, _ in found["best"]] == ["right", "half"]
    assert [scores.names[i] for i, _ in found["worst"]] == ["wrong", "half"]


class Named:
    name, classes = "made", ("road", "car", "sky")


def test_report_is_whole_json_and_readable(tmp_path):
    scores = made()
    found = report(scores, Named, own_protocol((4, 4)), model="m.safetensors")
    path = write_report(tmp_path / "deep" / "report.json", found)
    back = json.loads(path.read_text())
    assert back["images"] == 4 and back["miou"] == pytest.approx(scores.whole.result()["miou"])
    assert [c["iou"] for c in back["classes"]] == pytest.approx(scores.whole.iou.tolist())
    assert back["by_size"]["large"]["classes"] == ["road"]
    assert back["interval"]["low"] <= back["miou"] <= back["interval"]["high"]
    assert back["protocol"]["window"] == [4, 4] and back["worst"][0]["image"] == "wrong"
    assert torch.equal(torch.tensor(back["confusion"]), scores.whole.matrix)
    assert not list(tmp_path.rglob("*.part"))
    text = as_text(found)
    assert "m.safetensors on made, 4 images" in text and "worst images: wrong" in text
    assert text.index("road") < text.index("car")  # best first


def test_report_of_one_image_and_two_classes():
    scores = Scores(2)
    scores.update(torch.zeros(2, 2), torch.zeros(2, 2), "one")

    class Two:
        name, classes = "two", ("a", "b")

    found = report(scores, Two, own_protocol((4, 4)), model="m")
    assert found["interval"] is None and found["by_size"] is None
    assert found["classes"][1]["iou"] is None  # occurs nowhere: no number
    assert "-" in as_text(found)


def test_parts_of_several_processes_come_together_in_order(data):
    model = small_model(len(data.classes))
    whole = evaluate_protocol(model, data, own_protocol((32, 32)))
    parts = [Scores(whole.whole.classes) for _ in range(2)]
    for i, (sample, prediction) in enumerate(answers(model, data, own_protocol((32, 32)))):
        parts[i % 2].update(prediction, sample.label, sample.name)
        if i == len(data) - 1:
            break
    together = Scores.interleaved(parts)
    assert together.names == whole.names
    assert torch.equal(together.whole.matrix, whole.whole.matrix)
    assert torch.equal(together.hit, whole.hit) and torch.equal(together.true, whole.true)


def test_each_sample_is_handed_on_with_its_prediction(data):
    seen = []
    scores = evaluate_protocol(
        small_model(len(data.classes)),
        data,
        own_protocol((32, 32)),
        limit=2,
        each=lambda sample, prediction: seen.append((sample.name, prediction.shape)),
    )
    assert seen == [(name, (48, 64)) for name in scores.names]
