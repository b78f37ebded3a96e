"""Run-length masks as the annotation files of COCO and Detail write them.

Taught in   : nowhere; Pascal Context's annotation is made of them
Form        : {"size": [H, W], "counts": text}. The mask is read column by column; the counts are
              lengths of runs, zeros first. From the fourth on, a count is stored as its difference
              to the one two before. A number becomes characters of 6 bits: 5 of the number, lowest
              first, and one that says "more follows"; the last character's fifth bit is the sign.
"""

from __future__ import annotations

import numpy as np

FIRST = 48  # the character that stands for 0


def decode(mask: dict) -> np.ndarray:
    """{"size": [H, W], "counts": text or list} -> bool (H, W). Raises ValueError if they disagree.

    A list holds the runs as plain numbers (the uncompressed form).
    """
    height, width = mask["size"]
    counts = mask["counts"]
    runs = np.asarray(counts, np.int64) if isinstance(counts, list) else _runs(counts)
    if (runs < 0).any() or runs.sum() > height * width:
        raise ValueError(f"a run-length mask of {height}x{width} pixels with {runs.sum()} in runs")
    flat = np.zeros(height * width, bool)
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    flat[: len(filled)] = filled
    return flat.reshape(width, height).T  # (H, W)


def _runs(text: str | bytes) -> np.ndarray:
    """Characters -> lengths, all at once: a large annotation file holds 10^8 characters."""
    codes = np.frombuffer(text.encode() if isinstance(text, str) else text, np.uint8)
    codes = codes.astype(np.int64) - FIRST
    if len(codes) == 0:
        return codes
    ends = np.flatnonzero((codes & 32) == 0)  # the last character of each number
    if len(ends) == 0 or ends[-1] != len(codes) - 1 or codes.min() < 0 or codes.max() > 63:
        raise ValueError("a run-length mask whose text breaks off or holds foreign characters")
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)  # 0, 1, .. in a number
    if place.max() > 11:
        raise ValueError("a run-length mask with a number of more than 60 bits")
    numbers = np.add.reduceat((codes & 31) << (5 * place), starts)
    negative = (codes[ends] & 16) != 0
    numbers -= np.where(negative, np.int64(1) << (5 * (place[ends] + 1)), 0)
    for first in (1, 2):  # differences to the count two before
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers


def encode(mask: np.ndarray) -> dict:
    """bool (H, W) -> {"size", "counts"} with text, the way back of `decode`."""
    flat = mask.T.ravel()
    cuts = np.flatnonzero(np.diff(flat)) + 1
    bounds = np.concatenate([[0], [0] if flat.size and flat[0] else [], cuts, [flat.size]])
    runs = np.diff(bounds).astype(int).tolist()  # zeros first, even if there are none
    text = ""
    for i, number in enumerate(runs):
        rest = number - runs[i - 2] if i > 2 else number
        while True:
            low, rest = rest & 31, rest >> 5
            done = rest == (-1 if low & 16 else 0)
            text += chr(FIRST + (low if done else low | 32))
            if done:
                break
    return {"size": list(mask.shape), "counts": text}
