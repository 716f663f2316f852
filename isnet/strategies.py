"""Which regions of a picture the network sees, and at what scale: original, crop, resize.

    original   the whole picture as it is
    crop       windows round the holes, with context: for large pictures with small holes
    resize     the whole picture at the scale the network was trained at; its fill is enlarged

Every pixel of the hole lies in exactly one region. Nothing that lies in the hole reaches a region.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch.nn import functional

from isnet.config import SIZE_MULTIPLE, InputError
from isnet.images import Box

Strategy = Literal["original", "crop", "resize"]

MARGIN = 64
"""Known pixels round a hole that a window has at least, where the picture has them."""

_GRID = 64
"""Sides of windows are multiples of this, so that windows of different pictures make batches."""

_CONTEXT = 0.5
"""Context on each side of a large hole, as a share of the hole's longer side."""

_STRETCHES = 32
"""Parts of its longer side between which a picture is cut apart, so that a mask of very many dots
makes at most about a thousand windows."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """What the network sees of a picture as one image."""

    box: Box
    """Where it lies in the picture."""
    colours: np.ndarray
    """(h, w, 3): uint8, or float32 in [0, 1]; 0 in the hole."""
    hole: np.ndarray
    """bool (h, w), True = missing."""


def find_regions(
    colours: np.ndarray, hole: np.ndarray, strategy: Strategy, *, scale: int
) -> list[Region]:
    """Cut a picture into the regions to be filled.

    Args:
        colours: (H, W, 3), uint8, uint16 or float32 in [0, 1]; what lies in the hole is not
            looked at.
        hole: bool (H, W), True = missing.
        strategy: see the module.
        scale: for `resize`, the picture's shorter side in pixels as the network sees it; a smaller
            picture is not enlarged.

    Returns:
        the regions, from top to bottom; none where nothing is missing.

    Raises:
        InputError: an unknown strategy, or a scale below 1.

    """
    if strategy not in get_args(Strategy):
        raise InputError(f"strategy {strategy!r}; choose {', '.join(get_args(Strategy))}")
    if scale < 1:
        raise InputError(f"scale is {scale}; it must be at least 1 pixel")
    if not hole.any():
        return []
    height, width = hole.shape
    if strategy == "crop":
        return [_cut(colours, hole, box) for box in find_windows(hole)]
    whole = _cut(colours, hole, (0, 0, width, height))
    return [_reduced(whole, scale) if strategy == "resize" else whole]


def enlarge(region: Region, fill: np.ndarray) -> np.ndarray:
    """Bring what the network made of a region to the size of its box.

    Args:
        region: as `find_regions` returned it.
        fill: float32 (N, 3) in [0, 1], the N pixels of `region.hole` in row-major order.

    Returns:
        float32 (box height, box width, 3) in [0, 1]; only pixels in the hole mean anything.

    """
    colours = _as_float(region.colours)
    colours[region.hole] = fill
    left, top, right, bottom = region.box
    if region.hole.shape == (bottom - top, right - left):
        return colours
    image = torch.from_numpy(colours).movedim(-1, 0)[None]
    larger = functional.interpolate(
        image, (bottom - top, right - left), mode="bicubic", align_corners=False
    )
    return larger[0].clamp_(0, 1).movedim(0, -1).numpy()


def _as_float(colours: np.ndarray) -> np.ndarray:
    """Copy colours of any depth as float32 in [0, 1]."""
    if colours.dtype in (np.uint8, np.uint16):
        return colours / np.float32(np.iinfo(colours.dtype).max)
    return colours.astype(np.float32)


def _cut(colours: np.ndarray, hole: np.ndarray, box: Box) -> Region:
    left, top, right, bottom = box
    inside = hole[top:bottom, left:right].copy()
    seen = colours[top:bottom, left:right].copy()
    seen[inside] = 0
    if seen.dtype == np.uint16:
        seen = _as_float(seen)
    return Region(box=box, colours=seen, hole=inside)


def _reduced(region: Region, scale: int) -> Region:
    """Average a region down until its shorter side is `scale` pixels.

    A pixel is missing where any pixel that it stands for is missing: the hole never shrinks, and
    averages are of known pixels alone.
    """
    height, width = region.hole.shape
    factor = scale / min(height, width)
    if factor >= 1:
        return region
    rows = _starts(height, _fitting(height, factor))
    columns = _starts(width, _fitting(width, factor))
    hole = np.logical_or.reduceat(region.hole, rows, axis=0)
    hole = np.logical_or.reduceat(hole, columns, axis=1)
    # Summed as they are: a large picture's colours as floats would be four times its size.
    sums = np.add.reduceat(region.colours, rows, axis=0, dtype=np.float32)
    sums = np.add.reduceat(sums, columns, axis=1)
    pixels = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    white = 255 if region.colours.dtype == np.uint8 else 1
    averaged = sums / (white * pixels)[..., None].astype(np.float32)
    averaged[hole] = 0
    return Region(box=region.box, colours=averaged, hole=hole)


def _fitting(side: int, factor: float) -> int:
    """Scale a side to one that needs no padding: many pictures then have one of a few shapes."""
    return min(max(round(side * factor / SIZE_MULTIPLE), 1) * SIZE_MULTIPLE, side)


def _starts(side: int, parts: int) -> np.ndarray:
    """Cut a side into equal parts and find the first pixel whose middle lies in each."""
    return (2 * side * np.arange(parts) + parts - 1) // (2 * parts)


def find_windows(hole: np.ndarray) -> list[Box]:
    """Lay windows round a mask's holes (H, W), one at least: disjoint, every hole inside one."""
    height, width = hole.shape
    gap = max(2 * MARGIN + _GRID, max(height, width) // _STRETCHES)
    holes = list(_clusters(hole, (0, 0, width, height), gap))
    while True:
        windows = [_window(box, width, height) for box in holes]
        groups = _overlapping(windows)
        if len(groups) == len(holes):
            return sorted(windows, key=lambda box: (box[1], box[0]))
        holes = [_around([holes[index] for index in group]) for group in groups]


def _clusters(hole: np.ndarray, box: Box, gap: int) -> Iterator[Box]:
    """Boxes of the holes inside a box, cut apart at whole bands of more than `gap` known pixels."""
    left, top, right, bottom = box
    inside = hole[top:bottom, left:right]
    rows = _runs(np.any(inside, axis=1), gap)
    columns = _runs(np.any(inside, axis=0), gap)
    if len(rows) == 1 and len(columns) == 1:
        (y0, y1), (x0, x1) = rows[0], columns[0]
        yield left + x0, top + y0, left + x1, top + y1
        return
    for y0, y1 in rows:
        for x0, x1 in columns:
            part = (left + x0, top + y0, left + x1, top + y1)
            if hole[part[1] : part[3], part[0] : part[2]].any():
                yield from _clusters(hole, part, gap)


def _runs(missing: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Stretches of a line that hold missing pixels, further than `gap` from each other."""
    places = np.flatnonzero(missing)
    if len(places) == 0:
        return []
    breaks = np.flatnonzero(np.diff(places) > gap)
    starts = places[np.r_[0, breaks + 1]]
    ends = places[np.r_[breaks, len(places) - 1]] + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _window(box: Box, width: int, height: int) -> Box:
    """Give a hole's box its context, on the grid of sizes, inside the picture."""
    left, top, right, bottom = box
    margin = max(MARGIN, round(_CONTEXT * max(right - left, bottom - top)))
    x0, x1 = _stretch(left, right, margin, width)
    y0, y1 = _stretch(top, bottom, margin, height)
    return x0, y0, x1, y1


def _stretch(low: int, high: int, margin: int, limit: int) -> tuple[int, int]:
    """Widen a stretch to a multiple of the grid, round its middle, within 0..limit."""
    length = min(-(-(high - low + 2 * margin) // _GRID) * _GRID, limit)
    start = (low + high - length) // 2
    start = min(max(start, 0), limit - length)
    return start, start + length


def _overlapping(boxes: list[Box]) -> list[list[int]]:
    """Group boxes, by index, that share pixels with each other, directly or through others."""
    left, top, right, bottom = np.array(boxes).T
    meet = (left[:, None] < right) & (left < right[:, None])
    meet &= (top[:, None] < bottom) & (top < bottom[:, None])
    group = np.arange(len(boxes))
    while True:
        lowest = np.where(meet, group, len(boxes)).min(axis=1)
        lowest = lowest[lowest]
        if (lowest == group).all():
            return [np.flatnonzero(group == name).tolist() for name in np.unique(group)]
        group = lowest


def _around(boxes: list[Box]) -> Box:
    """Find the smallest box that holds all of several."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)
