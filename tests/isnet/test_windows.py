"""Windows of the `crop` strategy: disjoint, every hole inside one, with context."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from isnet.images import Box
from isnet.strategies import MARGIN, find_windows
from tests.isnet.holes import HOSTILE, dotted, masks


def assert_windows_fit(hole: np.ndarray, windows: list[Box]) -> None:
    """Check what every set of windows promises."""
    times_seen = np.zeros(hole.shape, dtype=np.uint8)
    for left, top, right, bottom in windows:
        times_seen[top:bottom, left:right] += 1
        inside = hole[top:bottom, left:right]
        for missing, low, high, limit in (
            (inside.any(axis=0), left, right, hole.shape[1]),
            (inside.any(axis=1), top, bottom, hole.shape[0]),
        ):
            assert 0 <= low < high <= limit
            assert (high - low) % 64 == 0 or high - low == limit
            first, last = low + np.flatnonzero(missing)[[0, -1]]
            assert first - low >= min(MARGIN, first)
            assert high - last - 1 >= min(MARGIN, limit - last - 1)
    assert times_seen.max(initial=0) <= 1
    assert times_seen[hole].all()


@settings(deadline=None, max_examples=150)
@given(masks())
def test_windows_hold_every_hole_once_with_context(hole: np.ndarray) -> None:
    assert_windows_fit(hole, find_windows(hole) if hole.any() else [])


@pytest.mark.parametrize("name", HOSTILE)
def test_masks_made_to_hurt_get_their_windows(name: str) -> None:
    hole = HOSTILE[name]()
    assert_windows_fit(hole, find_windows(hole))


def test_no_mask_makes_very_many_windows() -> None:
    assert 900 <= len(find_windows(dotted(6000, 6000, step=200, first=100))) <= 33**2
    assert 1 <= len(find_windows(dotted(8, 4_000_000, step=600, first=7))) <= 33


def test_far_holes_get_a_window_each_and_near_ones_share() -> None:
    hole = np.zeros((1000, 1000), dtype=bool)
    hole[100:110, 100:110] = hole[100:110, 200:210] = hole[800:810, 800:810] = True
    assert find_windows(hole) == [(27, 9, 283, 201), (709, 709, 901, 901)]


def test_a_large_hole_sees_half_its_length_on_each_side() -> None:
    hole = np.zeros((2000, 2000), dtype=bool)
    hole[900:1000, 800:1200] = True
    assert find_windows(hole) == [(584, 694, 1416, 1206)]
