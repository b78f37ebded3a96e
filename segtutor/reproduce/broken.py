"""Break the library by one line, for as long as a block lasts.

Taught in   : the failure gallery
Source      : ours. The line is looked up in the source of the function that runs, exchanged for
              another one, and the function's code replaced in memory; files stay as they are. So a
              page shows the very line that was broken, and a line that has moved on is an error
              instead of a page that tells of code which is no longer there.
"""

from __future__ import annotations
import __future__

import ast
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

from segtutor.reproduce.notebooks import ROOT


@dataclass(frozen=True)
class Toggle:
    """One line of one function, and what stands there in the broken version.

    function: that holds the line; a method is named by its class, as in `Encoded.patches`. right,
    wrong: the line without indentation and without its comment.
    """

    function: Callable
    right: str
    wrong: str

    @property
    def plain(self) -> FunctionType:
        """The function itself, without what decorators put around it."""
        return inspect.unwrap(self.function)

    def lines(self) -> tuple[list[str], int, int]:
        """Source lines of the function, number of the first in its file, index of the line.

        Raises ValueError when the line is not there exactly once.
        """
        lines, first = inspect.getsourcelines(self.plain)
        found = [i for i, line in enumerate(lines) if code_of(line) == self.right]
        if len(found) != 1:
            raise ValueError(
                f"{self.plain.__qualname__} holds the line {self.right!r} {len(found)} times, "
                "expected once: has the library changed? Name the line that stands there now"
            )
        return lines, first, found[0]

    def place(self) -> str:
        """Where the line stands: "tokens/position.py, line 43, in resize_positions"."""
        _, first, index = self.lines()
        path = Path(inspect.getsourcefile(self.plain))
        shown = path.relative_to(ROOT / "segtutor") if ROOT in path.parents else path.name
        return f"{shown}, line {first + index}, in {self.plain.__qualname__}"

    def source(self, line: str) -> str:
        """Source of the function with this line in the place of the right one."""
        lines, _, index = self.lines()
        old = lines[index]
        indent = old[: len(old) - len(old.lstrip())]
        return "".join([*lines[:index], f"{indent}{line}\n", *lines[index + 1 :]])

    def shown(self) -> str:
        """Both lines, one under the other, for a page."""
        return f"# {self.place()}\n{self.right}  # correct\n{self.wrong}  # broken"


def code_of(line: str) -> str:
    """A source line without indentation and comment ("  # ...")."""
    return line.split("  #")[0].strip() if not line.lstrip().startswith("#") else ""


def compiled(toggle: Toggle, line: str) -> CodeType:
    """Code of the function with `line` in the place of the right one."""
    function = toggle.plain
    _, first, _ = toggle.lines()
    source = toggle.source(line)
    inner = source[0].isspace()  # a method: dedenting it would change texts of several lines
    tree = ast.parse(f"if True:\n{source}" if inner else source)
    tree.body = tree.body[0].body if inner else tree.body
    tree.body[0].decorator_list = []  # they stay around the function
    ast.increment_lineno(tree, first - 1 - inner)
    flags = function.__code__.co_flags & __future__.annotations.compiler_flag
    module = compile(tree, function.__code__.co_filename, "exec", flags, dont_inherit=True)
    made: dict[str, FunctionType] = {}
    exec(module, function.__globals__, made)
    code = made[function.__name__].__code__
    if code.co_freevars != function.__code__.co_freevars:
        raise ValueError(
            f"{function.__qualname__} cannot be broken: it reads {function.__code__.co_freevars} "
            f"from around itself, the changed one {code.co_freevars}"
        )
    return code


@contextmanager
def broken(toggle: Toggle | None) -> Iterator[None]:
    """While it lasts, the wrong line runs, whoever calls the function. None: nothing is broken."""
    if toggle is None:
        yield
        return
    function = toggle.plain
    kept, changed = function.__code__, compiled(toggle, toggle.wrong)
    function.__code__ = changed
    try:
        yield
    finally:
        function.__code__ = kept
