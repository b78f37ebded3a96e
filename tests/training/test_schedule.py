import pytest
import torch

from segtutor.training import Recipe, cosine, poly
from segtutor.training.loop import set_rates
from segtutor.training.schedule import rate


def test_official_learning_rates(golden):
    for case in golden.config("segmenter_poly_lr").values():
        if not isinstance(case, dict) or "lr_used_at_iter" not in case:
            continue
        for step, wanted in enumerate(case["lr_used_at_iter"]):
            got = poly(step, steps=case["iter_max"], lr=case["lr"], floor=case["min_lr"])
            assert got == pytest.approx(wanted, abs=1e-6, rel=1e-6)


def test_warmup_rises_and_the_end_is_the_floor():
    rates = [poly(s, steps=100, lr=1.0, floor=0.1, warmup=10) for s in range(101)]
    assert rates[0] == 0.1 and rates[9] == 1.0 and rates[100] == 0.1
    assert all(a < b for a, b in zip(rates[:9], rates[1:10], strict=True))
    assert all(a > b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_cosine_after_a_tenth_of_linear_rise():
    """Segmenter's appendix A: 16k of 160k steps."""
    common = dict(steps=160_000, lr=1e-3, warmup=16_000)
    assert cosine(0, **common) == pytest.approx(1e-3 / 16_000)
    assert cosine(7_999, **common) == pytest.approx(5e-4)
    assert cosine(15_999, **common) == cosine(16_000, **common) == pytest.approx(1e-3)
    assert cosine(88_000, **common) == pytest.approx(5e-4)  # half of the way down
    assert cosine(160_000, **common, floor=1e-5) == pytest.approx(1e-5)
    assert cosine(0, steps=10, lr=1.0) == 1.0


def test_cosine_is_pytorchs():
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20, eta_min=0.1)
    for step in range(20):
        assert cosine(step, steps=20, lr=0.5, floor=0.1) == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step()
        theirs.step()


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_heads_start_higher_and_end_at_the_same_floor(schedule):
    """As in SETR's code, where the factor multiplies the rate but not its floor."""
    recipe = Recipe(steps=100, lr=0.01, floor=1e-4, head_lr=10.0, schedule=schedule)
    assert rate(recipe, 0) == pytest.approx(0.01) and rate(recipe, 0, 10.0) == pytest.approx(0.1)
    assert rate(recipe, 100) == rate(recipe, 100, 10.0) == pytest.approx(1e-4)
    halfway = (0.1 - 1e-4) * 0.5**0.9 + 1e-4
    if schedule == "poly":
        assert rate(recipe, 50, 10.0) == pytest.approx(halfway)
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr_factor": f} for f in (1.0, 10.0)]
    optimiser = torch.optim.SGD(groups, lr=1.0)
    assert set_rates(optimiser, recipe, 50) == rate(recipe, 50)
    assert [g["lr"] for g in optimiser.param_groups] == [rate(recipe, 50), rate(recipe, 50, 10.0)]
