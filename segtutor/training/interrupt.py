"""Ctrl-C, or a cluster's polite request to leave, as a question that the loop can answer.

Taught in   : chapter 13, Training recipes
"""

from __future__ import annotations

import signal
import threading
import time


class StopAsked:
    """`with StopAsked() as asked:` -- `asked.now` turns True at the first Ctrl-C or SIGTERM.

    A second one, more than a second later, breaks at once (launchers of several processes pass the
    first on twice). Outside the main thread, where Python allows no handlers, nothing is changed.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, active: bool = True):
        self.now, self.when, self.before = False, 0.0, {}
        self.active = active and threading.current_thread() is threading.main_thread()

    def __enter__(self) -> StopAsked:
        if self.active:
            self.before = {s: signal.signal(s, self.hear) for s in self.SIGNALS}
        return self

    def hear(self, number: int, frame) -> None:
        if self.now and time.monotonic() - self.when > 1.0:
            raise KeyboardInterrupt
        if not self.now:
            self.now, self.when = True, time.monotonic()
            print("\nstopping after this step; once more to stop at once", flush=True)

    def __exit__(self, *error) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
