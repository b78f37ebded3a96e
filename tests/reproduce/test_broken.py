"""Lines broken in memory: what runs, what is shown, and that all is as before afterwards."""

import inspect
from dataclasses import replace

import pytest
import torch

from segtutor.reproduce.broken import Toggle, broken, code_of, compiled
from segtutor.tokens import Encoded

FACTOR = 2


def double(x):
    y = FACTOR * x  # the line
    return y


def keep(function):
    """A decorator that leaves its mark."""

    def around(x):
        return [function(x)]

    around.__wrapped__ = function
    return around


@keep
def decorated(x):
    """A text
    of two lines."""
    return x


class Holder:
    text = "class"

    def method(self, x):
        """Doc."""
        text = """two
    lines"""
        return self.text, text, x

    def counted(self):
        for i in range(3):
            yield i + 0

    def inherits(self):
        return super().__repr__()


DOUBLE = Toggle(double, "y = FACTOR * x", "y = FACTOR + x")


def test_the_wrong_line_runs_for_as_long_as_the_block_lasts():
    alias = double  # whoever calls it, under whatever name
    with broken(DOUBLE):
        assert (alias(5), double(5)) == (7, 7)
    assert alias(5) == 10
    with pytest.raises(RuntimeError, match="stop"), broken(DOUBLE):
        raise RuntimeError("stop")
    assert double(5) == 10
    with broken(None):
        assert double(5) == 10


def test_a_global_that_changes_is_seen(monkeypatch):
    with broken(DOUBLE):
        monkeypatch.setitem(double.__globals__, "FACTOR", 100)
        assert double(5) == 105


def test_decorators_stay_and_methods_keep_their_texts():
    with broken(Toggle(decorated, "return x", "return -x")):
        assert decorated(3) == [-3]
    with broken(Toggle(Holder.method, "return self.text, text, x", "return text, self.text, -x")):
        assert Holder().method(1) == ("two\n    lines", "class", -1)
    with broken(Toggle(Holder.counted, "yield i + 0", "yield -i")):
        assert list(Holder().counted()) == [0, -1, -2]
    assert decorated(3) == [3] and list(Holder().counted()) == [0, 1, 2]


def test_lines_that_are_not_there_once_are_refused():
    with pytest.raises(ValueError, match=r"double holds the line 'y = 3 \* x' 0 times, expected"):
        DOUBLE.__class__(double, "y = 3 * x", "y = x").lines()
    with pytest.raises(ValueError, match="cannot be broken: it reads"):
        compiled(Toggle(Holder.inherits, "return super().__repr__()", "return ''"), "return ''")


def test_the_page_shows_the_line_where_it_stands():
    toggle = Toggle(Encoded.patches, "return tokens[:, self.extra :]", "return tokens")
    where, right, wrong = toggle.shown().splitlines()
    assert (
        right == "return tokens[:, self.extra :]  # correct" and wrong == "return tokens  # broken"
    )
    number = int(where.split("line ")[1].split(",")[0])
    file = inspect.getsourcefile(Encoded)
    with open(file) as lines:
        assert code_of(lines.read().splitlines()[number - 1]) == toggle.right
    assert where.startswith("# tokens/encoder.py, line ") and where.endswith("in Encoded.patches")


def test_a_broken_line_s_traceback_points_at_its_place():
    toggle = replace(DOUBLE, wrong="y = 1 / 0")
    with pytest.raises(ZeroDivisionError) as caught, broken(toggle):
        double(1)
    assert caught.traceback[-1].lineno + 1 == inspect.getsourcelines(double)[1] + 1


def test_code_of_a_line():
    assert code_of("    x = 1  # (B, N)\n") == "x = 1"
    assert code_of("    # x = 1\n") == ""


def test_toggling_back_gives_the_same_code():
    for toggle in (DOUBLE, Toggle(Encoded.patches, "return tokens[:, self.extra :]", "")):
        code = compiled(toggle, toggle.right)
        assert code.co_code == toggle.plain.__code__.co_code
        assert code.co_names == toggle.plain.__code__.co_names
    x = torch.zeros(1, 3, 2)
    assert Encoded(x, (1, 2), 1).patches().shape == (1, 2, 2)
