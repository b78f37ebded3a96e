import pytest

from segtutor.training import poly


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
