"""Sliders for readers with a running kernel.

Taught in   : chapters 00, 01, 02 and 12 use it
"""

from __future__ import annotations

import os
from collections.abc import Callable


def live(draw: Callable[..., None], **controls) -> None:
    """Redraw whenever a control moves: `live(draw, patch=SelectionSlider(options=[8, 16]))`.

    draw: called with one keyword per control. controls: ipywidgets. While a page is being made
    nobody can move anything, and captured widget output can block the kernel: then `draw` is just
    called once, with the controls' first values.
    """
    if os.environ.get("SEGTUTOR_PAGE"):  # set by the notebook runner
        draw(**{name: control.value for name, control in controls.items()})
        return
    from ipywidgets import interact

    interact(draw, **controls)
