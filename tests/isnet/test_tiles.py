"""Tiles: every missing pixel in one core, with the context round it, and never too large."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isnet.config import InputError, padded
from isnet.tiles import MAX_PIXELS, Tile, find_tiles, first_pass, pass_size
from tests.isnet.holes import masks


def tiles_of(hole: np.ndarray, **options: int | None) -> list[Tile]:
    return find_tiles(torch.from_numpy(~hole), **options)  # type: ignore[arg-type]


def assert_tiles_fit(hole: np.ndarray, tiles: list[Tile], *, context: int, limit: int) -> None:
    """Check what every set of tiles promises."""
    sides = padded(hole.shape[0]), padded(hole.shape[1])
    times = np.zeros(hole.shape, dtype=int)
    for tile in tiles:
        (x0, y0, x1, y1), (left, top, right, bottom) = tile.core, tile.seen
        times[y0:y1, x0:x1] += 1
        assert hole[y0:y1, x0:x1].any()
        assert not any(place % 16 for place in tile.seen)
        for low, high, start, end, side in (
            (y0, y1, top, bottom, sides[0]),
            (x0, x1, left, right, sides[1]),
        ):
            assert 0 <= start <= max(low - context, 0)
            assert min(high + context, side) <= end <= side
        assert tile.size == tiles[0].size
        assert tile.size[0] * tile.size[1] <= limit
    assert times.max(initial=0) <= 1
    assert times[hole].all()


@settings(deadline=None, max_examples=200)
@given(masks(), st.integers(0, 40), st.integers(96**2, 400**2))
def test_cores_hold_every_hole_once_with_context(
    hole: np.ndarray, context: int, limit: int
) -> None:
    context = min(context, 32)
    tiles = tiles_of(hole, context=context, max_pixels=limit)
    assert_tiles_fit(hole, tiles, context=context, limit=limit)
    assert bool(tiles) == hole.any()


def hole_of(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    hole = np.zeros((height, width), dtype=bool)
    for left, top, right, bottom in boxes:
        hole[top:bottom, left:right] = True
    return hole


def test_a_hole_gets_one_tile_round_it() -> None:
    (tile,) = tiles_of(hole_of(1000, 1200, (500, 400, 560, 470)), context=100)
    assert tile == Tile(seen=(400, 288, 720, 608), core=(500, 400, 560, 470))


def test_where_context_covers_the_image_the_tile_is_the_image() -> None:
    (tile,) = tiles_of(hole_of(250, 256, (0, 0, 9, 9)), context=272)
    assert tile.seen == (0, 0, 256, 256)


def test_a_network_that_looks_everywhere_sees_everything() -> None:
    (tile,) = tiles_of(hole_of(250, 100, (0, 0, 9, 9)), context=None)
    assert tile == Tile(seen=(0, 0, 112, 256), core=(0, 0, 100, 250))


def test_a_large_hole_is_cut_and_known_stretches_are_left_out() -> None:
    hole = hole_of(2000, 2000, (0, 0, 90, 90), (1900, 1900, 2000, 2000))
    tiles = tiles_of(hole, context=64, max_pixels=512**2)
    assert len(tiles) == 2
    assert_tiles_fit(hole, tiles, context=64, limit=512**2)


@pytest.mark.parametrize("shape", [(32, 40_000), (40_000, 32)])
def test_a_strip_is_cut_along_its_length(shape: tuple[int, int]) -> None:
    hole = np.ones(shape, dtype=bool)
    tiles = tiles_of(hole, context=64, max_pixels=512**2)
    assert_tiles_fit(hole, tiles, context=64, limit=512**2)
    assert len(tiles) == 5


def test_tiles_without_room_for_a_core_are_refused() -> None:
    with pytest.raises(InputError, match="context of 272 on either side; give at least 331776"):
        tiles_of(np.ones((2000, 2000), dtype=bool), context=272, max_pixels=500**2)
    least = tiles_of(np.ones((700, 700), dtype=bool), context=272, max_pixels=331776)
    assert_tiles_fit(np.ones((700, 700), dtype=bool), least, context=272, limit=331776)


def test_the_size_of_a_pass_is_its_tiles_or_the_image() -> None:
    valid = torch.ones(100, 60, dtype=torch.bool)
    assert pass_size(valid, find_tiles(valid, context=10)) == (112, 64)
    valid[3, 3] = False
    assert pass_size(valid, find_tiles(valid, context=10)) == (64, 64)


@pytest.mark.parametrize(
    ("hole", "context", "size", "pixels"),
    [
        (hole_of(3000, 4000, (500, 400, 560, 470)), 272, (640, 640), 640**2),
        (hole_of(3000, 4000, (500, 400, 560, 470)), None, (3008, 4000), 3008 * 4000),
        (hole_of(50, 75, (9, 9, 20, 20)), 272, (64, 80), 64 * 80),
        (np.zeros((50, 75), dtype=bool), 272, (64, 80), 0),
    ],
)
def test_a_first_pass_computes_its_tiles_and_without_a_context_everything(
    hole: np.ndarray, context: int | None, size: tuple[int, int], pixels: int
) -> None:
    assert first_pass(hole, context=context) == (size, pixels)


def test_where_a_first_pass_goes_tile_by_tile_every_tile_counts() -> None:
    hole = np.ones((3000, 4000), dtype=bool)
    (height, width), pixels = first_pass(hole, context=272)
    assert pixels == len(tiles_of(hole, context=272)) * height * width
    assert pixels > hole.size > MAX_PIXELS >= height * width
