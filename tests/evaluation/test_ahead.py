"""Reading ahead: the same as map, and only a little of it."""

import pytest

from segtutor.evaluation.ahead import ahead


def test_the_same_in_the_same_order():
    assert list(ahead(lambda x: x * x, range(20), threads=3)) == [x * x for x in range(20)]
    assert list(ahead(str, [])) == []


def test_no_more_than_asked_for_is_under_way():
    drawn = []

    def things():
        for i in range(100):
            drawn.append(i)
            yield i

    results = ahead(str, things(), threads=2)
    assert next(results) == "0" and len(drawn) <= 3


def test_an_error_comes_when_its_turn_comes():
    results = ahead(lambda x: 1 / x, [2, 1, 0, 4])
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
