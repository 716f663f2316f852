"""Irregular masks by the formula: random-walk strokes and blobs, as the public mask sets look."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from isnet.config import InputError

_Point = tuple[float, float]

FORMULA = 2
"""Counts the formulas there have been: another one makes other masks of the same seed."""

_BLOB_SHARE = 0.2
"""Share of the strokes that turn on the spot and so become blobs."""

_FINE_SHARE = 0.5
"""Share of the strokes that are no wider than a scratch or a wire, many of them a pixel or two.

A network that has seen no such holes fills them dark, and PRA leaves some wherever a dilation stops
just short of a hole's middle.
"""


def random_hole(
    rng: np.random.Generator,
    *,
    height: int,
    width: int,
    ratio_range: tuple[float, float] = (0.05, 0.6),
) -> np.ndarray:
    """Draw an irregular hole.

    Strokes are added until the hole has a number of pixels that is drawn first, uniformly among
    those the range allows; the last stroke stops at exactly that pixel. Over many masks the hole
    ratio is therefore uniform in the range.

    Args:
        rng: the same generator state gives the same mask.
        height: rows, at least 1.
        width: columns, at least 1.
        ratio_range: (low, high), hole pixels / all pixels in [low, high), 0 <= low < high <= 1.

    Returns:
        bool (H, W), True where pixels are missing; neither empty nor full.

    Raises:
        InputError: a range outside [0, 1], or one that no number of pixels falls into.

    """
    low, high = _pixel_counts(height, width, ratio_range)
    target = int(rng.integers(low, high + 1))
    hole = np.zeros((height, width), dtype=bool)
    missing = target
    while missing > 0:
        for start, end, radius in _stroke(rng, hole, target):
            missing -= _draw(hole, start, end, radius, missing)
            if missing == 0:
                break
    return hole


def _pixel_counts(height: int, width: int, ratio_range: tuple[float, float]) -> tuple[int, int]:
    """Fewest and most hole pixels whose ratio is in the range."""
    low, high = ratio_range
    if height < 1 or width < 1:
        raise InputError(f"mask size {width}x{height}; both sides must be at least 1")
    if not 0 <= low < high <= 1:
        raise InputError(f"hole ratio range ({low}, {high}); give 0 <= low < high <= 1")
    pixels = height * width
    fewest, most = max(1, math.ceil(low * pixels)), min(pixels - 1, math.ceil(high * pixels))
    while fewest / pixels < low:
        fewest += 1
    while most > 0 and most / pixels >= high:
        most -= 1
    if fewest > most:
        raise InputError(
            f"hole ratio range ({low}, {high}) holds no number of pixels of a {width}x{height} "
            "mask; widen the range"
        )
    return fewest, most


def _stroke(
    rng: np.random.Generator, hole: np.ndarray, target: int
) -> Iterator[tuple[_Point, _Point, float]]:
    """Walk at random from a known pixel: (start, end, radius) of each segment, (row, column).

    Starting outside the hole makes every stroke add at least one pixel, so that drawing ends.
    """
    side = min(hole.shape)
    # Thin strokes for small holes: otherwise one stroke would be all of a small one.
    thickest = max(0.5, min(0.09 * side, 0.35 * math.sqrt(target / math.pi)))
    thinnest, finest = min(0.5 + 0.008 * side, thickest), 0.5
    if rng.random() < _FINE_SHARE:
        thinnest, thickest = finest, thinnest
        radius = finest + (thickest - finest) * rng.random() ** 2
    else:
        radius = rng.uniform(thinnest, thickest)
    blob = rng.random() < _BLOB_SHARE
    stride = radius * rng.uniform(0.4, 0.9) if blob else side * rng.uniform(0.04, 0.14)
    point = _known_pixel(rng, hole)
    angle = rng.uniform(0, 2 * math.pi)
    for _ in range(int(rng.integers(6, 16))):
        angle += rng.uniform(-math.pi, math.pi) if blob else rng.normal(0, 0.55)
        length = stride * rng.uniform(0.5, 1.5)
        end = point[0] + length * math.sin(angle), point[1] + length * math.cos(angle)
        yield point, end, radius
        point = end
        radius = min(max(finest, radius * rng.uniform(0.85, 1.18)), thickest)


def _known_pixel(rng: np.random.Generator, hole: np.ndarray) -> _Point:
    known = np.flatnonzero(~hole)
    row, column = divmod(int(known[rng.integers(known.size)]), hole.shape[1])
    return float(row), float(column)


def _draw(hole: np.ndarray, start: _Point, end: _Point, radius: float, limit: int) -> int:
    """Add a segment with round ends to `hole`, in place, at most `limit` new pixels of it.

    Returns:
        how many pixels were new.

    """
    rows = _reach(start[0], end[0], radius, hole.shape[0])
    columns = _reach(start[1], end[1], radius, hole.shape[1])
    window = hole[rows, columns]
    y, x = np.ogrid[rows, columns]
    down, right = y - start[0], x - start[1]
    run, rise = end[1] - start[1], end[0] - start[0]
    along = np.clip((right * run + down * rise) / max(run * run + rise * rise, 1e-9), 0, 1)
    distance = np.hypot(right - along * run, down - along * rise)
    new = (distance <= radius) & ~window
    count = int(new.sum())
    if count > limit:
        # Cut across the stroke, nearest to its start first, so that it ends in a round tip.
        order = np.argsort(np.hypot(right, down)[new], kind="stable")
        indices = np.flatnonzero(new)[order[:limit]]
        new = np.zeros_like(new)
        new.flat[indices] = True
        count = limit
    window |= new
    return count


def _reach(start: float, end: float, radius: float, size: int) -> slice:
    """Rows or columns that a segment can touch, within the mask."""
    first = max(0, math.floor(min(start, end) - radius))
    last = min(size, math.ceil(max(start, end) + radius) + 1)
    return slice(first, max(first, last))
