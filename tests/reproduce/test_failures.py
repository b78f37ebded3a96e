"""The failure gallery: each line does what is said of it; toggled back, nothing changes at all."""

from dataclasses import replace

import pytest
import torch
from torchvision import tv_tensors

from segtutor.data import NORMALISATIONS, normalise
from segtutor.data.transforms import RandomScaledCrop
from segtutor.evaluation import MeanIoU
from segtutor.reproduce import mistakes
from segtutor.reproduce.broken import broken, compiled
from segtutor.reproduce.experiments import find, ledger_of
from segtutor.reproduce.experiments.failures import LEVELS, LINES, attention_path
from segtutor.reproduce.mistakes import BY_NAME, CORRECT, FAILURES, score
from segtutor.tokens import Encoded
from segtutor.tokens.attention import SelfAttention
from segtutor.tokens.patch import tokens_to_grid
from segtutor.tokens.position import resize_positions
from segtutor.training.losses import cross_entropy, loss_from_coarse
from segtutor.upsampling import Coarse, upsample

names = dict(ids=lambda f: f.name)


@pytest.fixture(scope="module")
def shops():
    """Workshops with nine test scenes, so that there are two batches of at most eight."""
    made = {}
    for experiment in (LINES, LEVELS):
        settings = experiment.sizes("smoke")
        settings.tests, settings.crops, settings.steps = 9, 8, 2
        made[experiment is LEVELS] = experiment.prepare(settings, None)
    return made


# ---- in the experiment ------------------------------------------------------------------------


@pytest.mark.parametrize("failure", FAILURES, **names)
def test_a_broken_run_differs_and_toggled_back_it_is_the_correct_one(shops, failure):
    shop = shops[failure.levels]
    right = shop.answers(None, 0)
    wrong = shop.answers(failure, 0)
    changed = any(not torch.equal(a, b) for (a, _), (b, _) in zip(right, wrong, strict=True))
    scoring = failure.toggle.function is score
    assert changed != scoring, "scoring changes numbers, everything else changes answers"
    assert shop.score_of(failure, wrong) != shop.score_of(None, right)

    back = replace(failure.toggle, wrong=failure.toggle.right)
    back = replace(failure, name=f"{failure.name}, back", toggle=back, outputs=0, counted=0)
    again = shop.answers(back, 0)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(right, again, strict=True))
    assert shop.score_of(back, again) == shop.score_of(None, right)


def test_mistakes_of_the_test_meet_the_very_models_of_the_correct_code(shops):
    for failure in FAILURES:
        shop = shops[failure.levels]
        assert (shop.model_of(failure, 0) is shop.model_of(None, 0)) != failure.always, failure.name


def test_names_and_lines():
    assert len(BY_NAME) == len(FAILURES) and CORRECT not in BY_NAME
    assert find("failures") == [LINES, LEVELS]
    assert {ledger_of(e).name for e in (LINES, LEVELS)} == {"failures.jsonl"}
    assert {*LINES.variants, *LEVELS.variants} == {CORRECT, *BY_NAME}
    for failure in FAILURES:
        assert failure.toggle.right != failure.toggle.wrong
        assert compiled(failure.toggle, failure.toggle.wrong), failure.name


def test_a_run_returns_its_metrics(shops):
    for variant in LEVELS.variants:
        numbers = LEVELS.measure(shops[True], shops[True].settings, variant, 0)
        assert all(0 <= numbers[m] <= 1 for m in LEVELS.metrics)


# ---- line by line, against a computation by hand -----------------------------------------------


def test_positions():
    table = torch.randn(1, 1 + 6, 5)
    correct = resize_positions(table, (2, 3), (4, 7))
    with broken(mistakes.TILED):
        tiled = resize_positions(table, (2, 3), (4, 7))
        assert torch.equal(resize_positions(table, (2, 3), (2, 3)), table)
    with broken(mistakes.IN_SEQUENCE):
        repeated = resize_positions(table, (2, 3), (4, 7))
    for r in range(4):
        for c in range(7):
            k = 7 * r + c
            assert torch.equal(tiled[0, 1 + k], table[0, 1 + 3 * (r % 2) + c % 3])
            assert torch.equal(repeated[0, 1 + k], table[0, 1 + k % 6])
    assert torch.equal(tiled[:, 0], table[:, 0]) and tiled.shape == correct.shape
    assert torch.equal(resize_positions(table, (2, 3), (4, 7)), correct)


def pairs_and_labels():
    predicted = [torch.randint(3, (4, 5)) for _ in range(10)]
    labels = [torch.randint(3, (4, 5)) for _ in range(10)]
    for label in labels:
        label[0] = 255
    return list(zip(predicted, labels, strict=True))


def by_hand(pairs, classes, *, ignored=None):
    """mIoU by sets of pixels. ignored: the id that pixels of 255 get; None: left out."""
    predicted = torch.stack([p for p, _ in pairs]).flatten()
    labels = torch.stack([t for _, t in pairs]).flatten()
    if ignored is None:
        predicted, labels = predicted[labels != 255], labels[labels != 255]
    else:
        labels = torch.where(labels == 255, ignored, labels)
    found = []
    for k in range(classes):
        both, either = (predicted == k) & (labels == k), (predicted == k) | (labels == k)
        if either.any():
            found.append(float(both.sum() / either.sum()))
    return sum(found) / len(found)


def test_scoring():
    pairs = pairs_and_labels()

    def miou(toggle, more=0):
        with broken(toggle):
            return score(pairs, classes=3 + more, counted=3 + more)["miou"]

    near = dict(abs=1e-6)
    assert miou(None) == pytest.approx(by_hand(pairs, 3), **near)
    assert miou(mistakes.AS_CLASS_0) == pytest.approx(by_hand(pairs, 3, ignored=0), **near)
    assert miou(mistakes.AS_A_CLASS, 1) == pytest.approx(by_hand(pairs, 4, ignored=3), **near)
    one_by_one = sum(by_hand([pair], 3) for pair in pairs) / 10
    assert miou(mistakes.BY_PHOTOGRAPH) == pytest.approx(one_by_one, **near)
    batches = (by_hand(pairs[:8], 3) + by_hand(pairs[8:], 3)) / 2
    assert miou(mistakes.BY_BATCH) == pytest.approx(batches, **near)
    whole = MeanIoU(3)
    for pair in pairs:
        whole.update(*pair)
    assert score(pairs, classes=3, counted=3) == {
        "miou": whole.result()["miou"], "accuracy": whole.result()["pixel_accuracy"],
    }  # fmt: skip


@pytest.mark.parametrize("toggle, value", [("TRAINED_AS_0", 0), ("TRAINED_AS_A_CLASS", 4)])
def test_loss(toggle, value):
    scores = torch.randn(2, 5, 3, 4, requires_grad=True)
    coarse, labels = Coarse(scores, (), (12, 16)), torch.randint(4, (2, 12, 16))
    labels[:, :5] = 255
    with broken(getattr(mistakes, toggle)):
        loss = loss_from_coarse(coarse, labels)
    filled = torch.where(labels == 255, value, labels)
    total = cross_entropy(upsample(coarse, (12, 16)), filled) * labels.numel()
    torch.testing.assert_close(loss, total / (labels != 255).sum())


def test_normalisations():
    image = torch.randint(256, (1, 3, 4, 5), dtype=torch.uint8)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in NORMALISATIONS["imagenet"])
    expected = {
        "OTHER_MEAN": image.float() / 127.5 - 1,
        "NO_MEAN": image.float() / 255,
        "NOT_DIVIDED": (image.float() - mean) / deviation,
        "BGR": (image[:, [2, 1, 0]].float() / 255 - mean) / deviation,
    }
    for name, value in expected.items():
        with broken(getattr(mistakes, name)):
            torch.testing.assert_close(normalise(image, "imagenet"), value)
    with broken(mistakes.OTHER_MEAN):
        changed = normalise(image, "half")
    torch.testing.assert_close(changed, normalise(image, "imagenet"))


def test_tokens_and_grid():
    tokens = torch.randn(2, 1 + 6, 4)
    encoded = Encoded(tokens, (2, 3), 1, {0: 2 * tokens})
    with broken(mistakes.CLASS_TOKEN):
        assert torch.equal(encoded.patches(), tokens[:, :-1])
        assert torch.equal(encoded.patches(0), 2 * tokens[:, :-1])
    with broken(mistakes.VIEW):
        mixed = tokens_to_grid(tokens[:, 1:], (2, 3))
    assert torch.equal(mixed, tokens[:, 1:].reshape(2, 4, 2, 3))
    assert not torch.equal(mixed, tokens_to_grid(tokens[:, 1:], (2, 3)))


def test_levels_and_corners(shops):
    shop = shops[True]
    model = shop.model_of(None, 0)
    encoded, _ = shop.tokens_of("photographs", None).take(slice(0, 1))
    maps = model.neck(encoded)
    with broken(mistakes.LEVELS):
        turned = model.neck(encoded)
    assert all(torch.equal(a, b) for a, b in zip(turned, reversed(maps), strict=True))
    assert not model.decode(encoded, (32, 32)).align_corners
    with broken(mistakes.CORNERS):
        assert model.decode(encoded, (32, 32)).align_corners


def test_answers(shops):
    shop = shops[False]
    model, tokens = shop.model_of(None, 0), shop.tokens_of("photographs", None)
    encoded, labels = tokens.take(slice(0, 9))
    with torch.no_grad():
        coarse = model.decode(encoded, tokens.size)
    H, W = labels.shape[-2:]
    first = coarse.scores.argmax(1)  # (9, h, w)
    patch = tokens.size[0] // first.shape[1]
    blocks = first.repeat_interleave(patch, 1).repeat_interleave(patch, 2)[:, :H, :W]
    found = shop.answers(BY_NAME["arg-max before upsampling"], 0)
    assert torch.equal(torch.stack([p for p, _ in found]), blocks)
    wide = upsample(coarse._replace(scores=coarse.scores.softmax(3)), (H, W)).argmax(1)
    found = torch.stack([p for p, _ in shop.answers(BY_NAME["soft-max over the width"], 0)])
    assert (found == wide).float().mean() > 0.999  # sums in another order


def test_attention():
    attention, x = SelfAttention(width=6, heads=2).eval(), torch.randn(1, 4, 6)
    seen = []
    attention.weights.register_forward_hook(lambda module, inputs, w: seen.append(w))
    attention.fused = False
    with broken(mistakes.SOFTMAX_OF_ATTENTION):
        attention(x)
    torch.testing.assert_close(seen[0].sum(-2), torch.ones(1, 2, 4))
    assert (seen[0].sum(-1) - 1).abs().max() > 1e-3


def test_the_path_of_attention_is_put_back(shops):
    encoder = shops[False].encoder
    with attention_path(encoder, True):
        assert not any(block.attn.fused for block in encoder.blocks)
    assert all(block.attn.fused for block in encoder.blocks)


def test_labels():
    label = torch.zeros(20, 20, dtype=torch.uint8)
    label[:, 7:], label[:, 14:] = 4, 255
    image = tv_tensors.Image(torch.randint(256, (3, 20, 20), dtype=torch.uint8))
    crop = RandomScaledCrop((30, 30), (1.5, 1.5001), {tv_tensors.Image: 0, tv_tensors.Mask: 255})

    def cropped():
        torch.manual_seed(0)
        return crop(image, tv_tensors.Mask(label))

    (picture, correct), results = cropped(), {}
    for name in ("BLENDED_LOUD", "BLENDED"):
        with broken(getattr(mistakes, name)):
            same, results[name] = cropped()
        assert torch.equal(same, picture) and isinstance(results[name], tv_tensors.Mask)
    assert set(correct.unique().tolist()) == {0, 4, 255}
    loud = set(results["BLENDED_LOUD"].unique().tolist())
    assert loud - {0, 4, 255}, "ids between classes that no one drew"
    assert set(results["BLENDED"].unique().tolist()) <= {0, 4, 255}
    assert (results["BLENDED"] == 255).sum() > (correct == 255).sum()
