"""Units of a job: a few pictures that one process fills, whose rows become one part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isnet.config import SIZE_MULTIPLE

PIXELS = 2**24
"""Pixels of a unit, about: what a kill may cost, and what a process has in its hands."""

MOST, FEWEST = 64, 8
"""Pictures of a unit, at most, in a large collection and in a small one."""

_UNITS = 64
"""Units that a small collection should make, so that there is something to share and to show."""

_WINDOW = 4096
"""Pictures among which those of one size are looked for: neighbours lie in the same archive, and in
the same row groups of a table."""


def make_units(sizes: np.ndarray) -> list[np.ndarray]:
    """Deal the pictures to units; of neighbours those of one padded size lie together.

    The same sizes give the same units, whatever cluster they are filled on.

    Args:
        sizes: int32 (N, 2), heights and widths.

    Returns:
        for each unit the places of its pictures in the collection, int64.

    """
    padded = -(-sizes.astype(np.int64) // SIZE_MULTIPLE) * SIZE_MULTIPLE
    pixels = padded.prod(axis=1)
    window = np.arange(len(sizes)) // _WINDOW
    order = np.lexsort((padded[:, 1], padded[:, 0], pixels, window))
    most = int(np.clip(len(sizes) // _UNITS, FEWEST, MOST))
    return [order[low:high] for low, high in _cuts(pixels[order], most)]


def _cuts(pixels: np.ndarray, most: int) -> Sequence[tuple[int, int]]:
    """Cut pictures into runs of `most` at most, and of about `PIXELS`; one always fits."""
    sums = np.cumsum(pixels)
    cuts, low = [], 0
    while low < len(pixels):
        before = sums[low - 1] if low else 0
        fitting = int(np.searchsorted(sums, before + PIXELS, side="right"))
        high = min(max(fitting, low + 1), low + most, len(pixels))
        cuts.append((low, high))
        low = high
    return cuts
