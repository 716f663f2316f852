"""Masks and colours as arrays: drawn ones for Hypothesis, and ones that are made to hurt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

GARBAGE = {np.uint8: [0, 255], np.uint16: [0, 65535], np.float32: [np.nan, np.inf, -1e30]}
"""What may lie in a hole of each depth."""


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """Draw a mask of up to 700 pixels a side: boxes, dots, or noise of any density."""
    sides = st.sampled_from([0, 150, 400, 640])
    height, width = (draw(sides) + draw(st.integers(1, 60)) for _ in range(2))
    hole = np.zeros((height, width), dtype=bool)
    for _ in range(draw(st.integers(0, 6))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        tall, wide = draw(st.sampled_from([1, 9, 80, 300])), draw(st.sampled_from([1, 9, 80, 300]))
        hole[top : top + tall, left : left + wide] = True
    density = draw(st.sampled_from([0, 0, 1e-5, 1e-3, 0.3]))
    return hole | (np.random.default_rng(draw(st.integers(0, 99))).random(hole.shape) < density)


def dotted(height: int, width: int, *, step: int, first: int = 0) -> np.ndarray:
    """Return a mask of single pixels, `step` apart."""
    hole = np.zeros((height, width), dtype=bool)
    hole[first::step, first::step] = True
    return hole


HOSTILE: dict[str, Callable[[], np.ndarray]] = {
    "dots that touch": lambda: dotted(6000, 6000, step=130),
    "dots that grow together from a corner": lambda: dotted(6000, 6000, step=200),
    "dots that stay apart": lambda: dotted(6000, 6000, step=200, first=100),
    "few dots": lambda: dotted(6000, 5000, step=900, first=3),
    "a column": lambda: dotted(30_000, 1, step=7),
    "a row": lambda: dotted(1, 30_000, step=500),
    "one pixel": lambda: dotted(1, 1, step=1),
    "a checkerboard": lambda: np.indices((3000, 3000)).sum(axis=0) % 2 == 0,
    "all of it": lambda: np.ones((3000, 20), dtype=bool),
    "a staircase": lambda: np.eye(6000, dtype=bool) & (np.arange(6000) % 300 == 0),
}


def colours_of(shape: tuple[int, ...], dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """Return random colours (H, W, 3) of a depth."""
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return rng.random((*shape, 3), dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max, (*shape, 3), dtype=dtype, endpoint=True)


def as_floats(colours: np.ndarray) -> np.ndarray:
    """Return colours in [0, 1]."""
    return colours / {np.uint8: 255, np.uint16: 65535, np.float32: 1}[colours.dtype.type]
