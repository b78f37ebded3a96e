"""Attention and features made small enough to travel inside a web page.

Taught in   : chapter 15 (what the explorer stores, and what it rounds)

What a token gives to all patches is divided by the largest of it, its square root taken, and
rounded to 16 steps: fine steps where weights are small, so that what many dark patches hold
together is not lost. The largest travels beside it as float32, and so does what goes to the class
token, which may be more than all patches get and would make their steps coarse. A weight a of a row
whose largest is m comes back off by at most m * (15**2 - 14.5**2) / 15**2, which is 6.6 % of m;
weights below 0.11 % of m come back as 0. Four bits a pixel, as PNG: a browser unpacks it without
any library.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from torch import Tensor

STEPS = 16
TOP = STEPS - 1
WORST = (TOP**2 - (TOP - 0.5) ** 2) / TOP**2  # of a row's largest weight: the bound stated above
CHANNELS = 16  # of the features


def quantise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., T) weights, 0 or more -> (..., T) uint8 steps 0..15 and (...) float32, each row's
    largest weight.
    """
    peak = rows.max(-1).astype(np.float32)  # (...)
    share = rows / np.maximum(peak, np.finfo(np.float32).tiny)[..., None]  # (..., T), 0..1
    return np.rint(TOP * np.sqrt(share)).astype(np.uint8), peak


def restore(steps: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """What a page makes of `quantise`'s two arrays: (..., T) float32 weights."""
    return (steps.astype(np.float32) / TOP) ** 2 * peak[..., None]


def png(steps: np.ndarray) -> str:
    """(rows, T) steps 0..15 as a grey PNG of four bits a pixel, in a data: address. Step s is grey
    level 17 * s, so a browser that disturbs pixels a little (some do, against tracking) does no
    harm.
    """
    picture = Image.fromarray(steps).convert("P")
    picture.putpalette([17 * s for s in range(STEPS) for _ in "rgb"])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", bits=4, optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def unpng(address: str) -> np.ndarray:
    """The steps in an address of `png`, (rows, T) uint8: for tests, and for the curious."""
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(picture.convert("L")) // 17


def text_of(numbers: np.ndarray) -> str:
    """Any numbers as base64 text of their bytes, little end first."""
    return base64.b64encode(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()).decode()


def directions(tokens: Tensor, count: int = CHANNELS) -> tuple[np.ndarray, float]:
    """The directions of T token vectors in a few numbers each, for cosine similarities.

    tokens: (T, D). Returns (T, count) int8 and the largest error of any pair's cosine. Vectors are
    divided by their length; their first principal axes (not centred: what is to be kept are scalar
    products, and moving the origin would change them) give the numbers, rounded to 1/127 of the
    largest. Channels that D or T do not offer are 0.
    """
    unit = tokens.detach().cpu().double().numpy()
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)  # (T, D)
    u, s, _ = np.linalg.svd(unit, full_matrices=False)
    kept = np.zeros((len(unit), count))
    width = min(count, len(s))
    kept[:, :width] = (u * s)[:, :width]
    small = np.rint(127 * kept / max(np.abs(kept).max(), 1e-12)).astype(np.int8)  # (T, count)
    return small, float(np.abs(cosines(small) - unit @ unit.T).max())


def cosines(small: np.ndarray) -> np.ndarray:
    """(T, C) numbers of `directions` -> (T, T) cosines, as the page computes them."""
    vectors = small.astype(np.float64)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors @ vectors.T
