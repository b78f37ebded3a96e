import pytest
import torch

from segtutor.training import balanced_weights, cross_entropy, loss_from_coarse
from segtutor.upsampling import Coarse, upsample


@pytest.mark.parametrize(
    "mean,name", [("valid", "segmenter_torch_mean_valid"), ("all", "setr_mmseg_mean_all")]
)
def test_official_numbers(golden, mean, name):
    arrays = golden("losses_ce")
    logits, labels = torch.from_numpy(arrays["in/logits"]), torch.from_numpy(arrays["in/labels"])
    wanted = float(arrays[f"out/{name}"])
    assert float(cross_entropy(logits, labels, mean=mean)) == pytest.approx(wanted, abs=1e-6)
    coarse = Coarse(logits, (), tuple(logits.shape[-2:]))  # already at pixel resolution
    assert float(loss_from_coarse(coarse, labels, mean=mean)) == pytest.approx(wanted, abs=1e-6)


def test_official_auxiliary_weight(golden):
    arrays = golden("losses_ce")
    logits, labels = torch.from_numpy(arrays["in/logits"]), torch.from_numpy(arrays["in/labels"])
    coarse = Coarse(torch.zeros_like(logits), (logits,), tuple(logits.shape[-2:]))
    main = cross_entropy(coarse.scores, labels, mean="all")
    got = loss_from_coarse(coarse, labels, mean="all", aux_weight=0.4) - main
    assert float(got) == pytest.approx(float(arrays["out/setr_aux_0.4"]), abs=1e-6)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mean", ["valid", "all"])
@pytest.mark.parametrize("size", [(64, 80), (61, 70), (50, 65)])
def test_strips_equal_the_plain_loss_in_value_and_gradient(size, mean, align_corners):
    scores = torch.randn(2, 5, 4, 5, requires_grad=True)
    aux = torch.randn(2, 5, 2, 3, requires_grad=True)
    labels = torch.randint(0, 5, (2, *size))
    labels[0, :20] = 255
    coarse = Coarse(scores, (aux,), (64, 80), align_corners)
    plain = cross_entropy(upsample(coarse, size), labels, mean=mean) + 0.4 * cross_entropy(
        upsample(coarse._replace(scores=aux), size), labels, mean=mean
    )
    strip = loss_from_coarse(coarse, labels, mean=mean, strip=24)
    assert float(strip) == pytest.approx(float(plain), abs=1e-6)
    ours, theirs = (torch.autograd.grad(loss, [scores, aux]) for loss in (strip, plain))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-4)


def test_everything_ignored_is_zero_not_nan():
    coarse = Coarse(torch.randn(1, 3, 2, 2, requires_grad=True), (), (8, 8))
    loss = loss_from_coarse(coarse, torch.full((1, 8, 8), 255))
    loss.backward()
    assert float(loss.detach()) == 0.0


def test_bad_labels_are_named():
    coarse = Coarse(torch.randn(1, 3, 2, 2), (), (8, 8))
    with pytest.raises(ValueError, match="labels hold class 7, but the decoder has 3 classes"):
        loss_from_coarse(coarse, torch.full((1, 8, 8), 7))
    with pytest.raises(ValueError, match="labels are 9x8 pixels but the scores cover 8x8"):
        loss_from_coarse(coarse, torch.zeros(1, 9, 8, dtype=torch.long))
    with pytest.raises(ValueError, match="expected 'valid'"):
        loss_from_coarse(coarse, torch.zeros(1, 8, 8, dtype=torch.long), mean="batch")


@pytest.mark.parametrize("mean", ["valid", "all"])
def test_class_weights_in_strips_and_against_pytorch(mean):
    scores = torch.randn(2, 4, 4, 5, requires_grad=True)
    labels = torch.randint(0, 4, (2, 61, 70))
    labels[:, 10:30] = 255
    weights = torch.tensor([0.5, 1.0, 3.0, 0.0])
    coarse = Coarse(scores, (), (64, 80))
    plain = cross_entropy(upsample(coarse, (61, 70)), labels, mean=mean, class_weights=weights)
    strip = loss_from_coarse(coarse, labels, mean=mean, class_weights=weights)
    assert float(strip) == pytest.approx(float(plain), abs=1e-6)
    ours, theirs = (torch.autograd.grad(loss, scores)[0] for loss in (strip, plain))
    torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-4)
    if mean == "valid":
        logits = upsample(coarse, (61, 70))
        torchs = torch.nn.functional.cross_entropy(logits, labels, weights, ignore_index=255)
        assert float(plain) == pytest.approx(float(torchs), abs=1e-6)
    with pytest.raises(ValueError, match="3 class weights, but the decoder has 4 classes"):
        loss_from_coarse(coarse, labels, class_weights=weights[:3])


def test_balanced_weights():
    counts = torch.tensor([900, 90, 10, 0])
    share = counts / counts.sum()
    for power in (0.0, 0.5, 1.0):
        weights = torch.tensor(balanced_weights(counts, power), dtype=torch.float64)
        assert float((weights * share).sum()) == pytest.approx(1)  # the average pixel weighs 1
        assert float(weights[1] / weights[0]) == pytest.approx(10**power)
        assert weights[3] == 0


@pytest.mark.parametrize("strip", [None, 7, 24])
def test_in_double_precision_only_rounding_is_left(strip):
    scores = torch.randn(2, 6, 4, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 6, (2, 61, 70))
    labels[0, :20] = 255
    coarse = Coarse(scores, (), (64, 80))
    plain = cross_entropy(upsample(coarse, (61, 70)), labels)
    ours = loss_from_coarse(coarse, labels, strip=strip)
    assert ours.item() == pytest.approx(plain.item(), rel=2e-11)
    a, b = (torch.autograd.grad(loss, scores)[0] for loss in (ours, plain))
    assert float((a - b).norm() / b.norm()) < 2e-11


def test_probabilities_too_small_for_single_precision_keep_their_loss():
    scores = torch.zeros(1, 3, 2, 2)
    scores[:, 0] = 500.0  # probability of the others: e^-500
    scores.requires_grad_()
    coarse = Coarse(scores, (), (8, 8))
    loss = loss_from_coarse(coarse, torch.ones(1, 8, 8, dtype=torch.long))
    loss.backward()
    assert loss.item() == pytest.approx(500.0)
    assert scores.grad[0, :, 0, 0].tolist() == pytest.approx([0.25, -0.25, 0.0])


def test_no_gradient_is_formed_where_none_is_wanted():
    coarse = Coarse(torch.randn(1, 3, 2, 2), (), (8, 8))
    assert not loss_from_coarse(coarse, torch.ones(1, 8, 8, dtype=torch.long)).requires_grad
