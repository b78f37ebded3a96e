"""Read the next photographs while the network works on this one.

Taught in   : chapter 14

Decoding a photograph of ADE20K takes about as long as a GPU takes to segment it. Threads are
enough, since the decoders let other threads run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

In, Out = TypeVar("In"), TypeVar("Out")


def ahead(
    function: Callable[[In], Out], things: Iterable[In], *, threads: int = 2
) -> Iterator[Out]:
    """`map(function, things)`, in order, with `threads` results under way and no more than that.

    An error of the function appears when its result's turn comes.
    """
    things = iter(things)
    with ThreadPoolExecutor(threads) as pool:
        under_way = deque(pool.submit(function, thing) for thing in islice(things, threads))
        while under_way:
            result = under_way.popleft().result()
            under_way.extend(pool.submit(function, thing) for thing in islice(things, 1))
            yield result
