"""The parts of an image that a pass has to compute: tiles round what is missing.

A prediction depends on pixels within the network's context only. A tile that reaches so far beyond
the missing pixels it holds, or to the image's border, gives them what the whole image would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from isnet.config import SIZE_MULTIPLE, InputError, padded
from isnet.images import Box

MAX_PIXELS = 2**22
"""Most pixels of a tile, and so of what the network sees of one image at a time."""

_GRID = 64
"""Sides of a lone tile are multiples of this, so that tiles of different images make batches."""

Span = tuple[int, int]
"""From and to, along an axis."""


@dataclass(frozen=True)
class Tile:
    """A part of an image, padded to what the network takes, for the network to compute."""

    seen: Box
    """What the network sees: left, top, right, bottom, all divisible by 16."""
    core: Box
    """Where its prediction counts; no two tiles share a pixel of it."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what the network sees."""
        left, top, right, bottom = self.seen
        return bottom - top, right - left

    def seen_from(self, left: int, top: int) -> Tile:
        """Return the tile where an image begins at this pixel, whose numbers divide by 16."""
        return Tile(_moved(self.seen, left, top), _moved(self.core, left, top))

    def cut(self, image: Tensor) -> Tensor:
        """Cut what the network sees out of a padded image, (C, H, W)."""
        left, top, right, bottom = self.seen
        return image[:, top:bottom, left:right]

    def put(self, prediction: Tensor, image: Tensor) -> None:
        """Write the core of a prediction for this tile, (C, h, w), into an image, (C, H, W)."""
        left, top, right, bottom = self.core
        x, y = self.seen[:2]
        image[:, top:bottom, left:right] = prediction[:, top - y : bottom - y, left - x : right - x]


def find_tiles(valid: Tensor, *, context: int | None, max_pixels: int = MAX_PIXELS) -> list[Tile]:
    """Lay tiles of one size over what is missing.

    Args:
        valid: bool (H, W), True = known.
        context: pixels that a tile reaches beyond its core, where the image goes on; None for a
            network that looks at the whole image: then the whole image is one tile.
        max_pixels: most pixels of a tile. Two contexts have to fit into it.

    Returns:
        the tiles, whose cores hold every missing pixel; none where nothing is missing.

    Raises:
        InputError: tiles of `max_pixels` have no room for a core.

    """
    height, width = valid.shape
    hole = ~valid
    rows, columns = _extent(hole.any(dim=1)), _extent(hole.any(dim=0))
    if rows is None or columns is None:
        return []
    if context is None:
        return [Tile((0, 0, padded(width), padded(height)), (0, 0, width, height))]
    down = _Axis(*rows, context, padded(height))
    across = _Axis(*columns, context, padded(width))
    tall, wide = _sides(down.window, across.window, max_pixels)
    tiles = [
        Tile((left, top, right, bottom), (x0, y0, x1, y1))
        for (top, bottom), (y0, y1) in down.spans(tall)
        for (left, right), (x0, x1) in across.spans(wide)
    ]
    return [tile for tile in tiles if len(tiles) == 1 or _holds(hole, tile.core)]


def pass_size(valid: Tensor, tiles: Sequence[Tile]) -> tuple[int, int]:
    """Height and width that the network sees of an image (H, W) in a pass over its tiles."""
    height, width = valid.shape
    return tiles[0].size if tiles else (padded(height), padded(width))


def part_seen(valid: Tensor, tiles: Sequence[Tile]) -> Box:
    """Find the part of an image that the first pass over it sees, and so every later one.

    A dilation, too, needs no more: known pixels just beside what is missing reach furthest into it.

    Args:
        valid: bool (H, W), True = known.
        tiles: of the first pass.

    Returns:
        left, top, right, bottom; left and top are divisible by 16. The whole image for no tiles.

    """
    height, width = valid.shape
    if not tiles:
        return 0, 0, width, height
    lefts, tops, rights, bottoms = zip(*(tile.seen for tile in tiles), strict=True)
    return min(lefts), min(tops), min(max(rights), width), min(max(bottoms), height)


def first_pass(hole: np.ndarray, *, context: int | None) -> tuple[tuple[int, int], int]:
    """Find what the first pass computes of an image.

    Args:
        hole: bool (H, W), True = missing.
        context: as for `find_tiles`.

    Returns:
        height and width that the network sees of it at a time, and the pixels of all its tiles.

    Raises:
        InputError: tiles of `MAX_PIXELS` have no room for a core.

    """
    valid = torch.from_numpy(~hole)
    tiles = find_tiles(valid, context=context)
    height, width = pass_size(valid, tiles)
    return (height, width), len(tiles) * height * width


@dataclass(frozen=True)
class _Axis:
    """What is missing along one axis, from `low` to `high`, of a padded `side`."""

    low: int
    high: int
    context: int
    side: int

    @property
    def window(self) -> int:
        """Length of a lone tile."""
        needed = self.high - self.low + self._around
        return min(-(-needed // _GRID) * _GRID, self.side)

    @property
    def _around(self) -> int:
        """What a tile holds beyond its core: the context, and the way to where it may begin."""
        return 2 * self.context + SIZE_MULTIPLE - 1

    def spans(self, most: int) -> Iterator[tuple[Span, Span]]:
        """Cut the axis into tiles of one length, `most` at most: what is seen, and the core."""
        length = self.window
        parts = 1
        if length > most:
            room = most - self._around
            if room < SIZE_MULTIPLE:
                raise InputError(
                    f"tiles of {most} pixels a side have no room beside a context of "
                    f"{self.context} on either side; give at least "
                    f"{padded(self._around + SIZE_MULTIPLE) ** 2} pixels"
                )
            parts = -(-(self.high - self.low) // room)
            length = padded(-(-(self.high - self.low) // parts) + self._around)
        cuts = [self.low + (self.high - self.low) * part // parts for part in range(parts + 1)]
        for low, high in pairwise(cuts):
            start = (low - self.context) // SIZE_MULTIPLE * SIZE_MULTIPLE
            start = min(max(start, 0), self.side - length)
            yield (start, start + length), (low, high)


def _sides(tall: int, wide: int, max_pixels: int) -> tuple[int, int]:
    """Lower the sides of a tile until it has at most so many pixels, the longer side first."""
    square = isqrt(max_pixels)
    if tall * wide <= max_pixels:
        return tall, wide
    tall_limit = max(square, max_pixels // wide)
    wide_limit = max(square, max_pixels // tall)
    return _fitting(min(tall, tall_limit)), _fitting(min(wide, wide_limit))


def _fitting(side: int) -> int:
    return side // SIZE_MULTIPLE * SIZE_MULTIPLE


def _moved(box: Box, left: int, top: int) -> Box:
    return box[0] - left, box[1] - top, box[2] - left, box[3] - top


def _extent(missing: Tensor) -> Span | None:
    """First and past-the-last place of what is missing along an axis, bool (L,)."""
    places = missing.nonzero()
    if len(places) == 0:
        return None
    return int(places[0]), int(places[-1]) + 1


def _holds(hole: Tensor, box: Box) -> bool:
    left, top, right, bottom = box
    return bool(hole[top:bottom, left:right].any())
