"""Look inside a model while it runs: the one way that every figure of the book uses.

Taught in   : chapter 02 (attention), chapter 03 (layer by layer), chapters 06-09 (decoders)

    with capture(model, "encoder.blocks.*.attn") as seen:
        model(images)
    seen["encoder.blocks.3.attn"]   # (B, A, T, T), softmax weights

A pattern names modules as `model.named_modules()` does, with * for any text. Of a SelfAttention
one sees the attention weights (and while looking, it takes its explicit path: the fused one never
makes them). Of any other module one sees what it returns: "decoder.stages.*" of PUP, "neck" and
"decoder.streams.*" of MLA, "decoder.blocks.*.attn" of the mask transformer, "auxiliary.*".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase

import torch
from torch import nn

from segtutor.tokens import SelfAttention


@contextmanager
def capture(model: nn.Module, *patterns: str) -> Iterator[dict[str, torch.Tensor]]:
    """Yields a dict that fills as the model runs: module name -> detached tensor of the latest
    forward pass.

    Raises ValueError, listing what there is, for a pattern that matches no module.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    chosen: dict[str, nn.Module] = {}
    for pattern in patterns:
        found = {n: m for n, m in modules.items() if fnmatchcase(n, pattern)}
        if not found:
            raise ValueError(
                f"no module matches {pattern!r}; there are, among others: "
                f"{', '.join(_samples(modules))}"
            )
        chosen |= found
    seen: dict[str, torch.Tensor] = {}
    with ExitStack() as undo:
        for name, module in chosen.items():
            watched = module
            if isinstance(module, SelfAttention):
                watched = module.weights
                undo.callback(setattr, module, "fused", module.fused)
                module.fused = False
            undo.callback(watched.register_forward_hook(_recorder(seen, name)).remove)
        yield seen


def _recorder(seen: dict, name: str):
    def hook(module: nn.Module, inputs: tuple, output) -> None:
        seen[name] = _detached(output)

    return hook


def _detached(output):
    if isinstance(output, tuple):  # MLA's neck returns several maps
        return tuple(_detached(part) for part in output)
    return output.detach() if isinstance(output, torch.Tensor) else output


def _samples(modules: dict[str, nn.Module]) -> list[str]:
    """One example of each kind of module name, block numbers folded."""
    import re

    folded = dict.fromkeys(re.sub(r"\.\d+", ".*", name) for name in modules)
    return list(folded)[:20]
