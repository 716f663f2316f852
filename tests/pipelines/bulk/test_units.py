"""Units: every picture in exactly one, like sizes together, bounded in pictures and pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.bulk.units import FEWEST, MOST, PIXELS, make_units

SIZES = st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 9000)), max_size=200)


def sizes_of(*sizes: tuple[int, int]) -> np.ndarray:
    return np.array(sizes, np.int32).reshape(-1, 2)


@given(SIZES)
def test_every_picture_is_in_exactly_one_unit(sizes):
    units = make_units(sizes_of(*sizes))
    assert sorted(np.concatenate([[], *units])) == list(range(len(sizes)))
    assert all(len(unit) for unit in units)


@given(SIZES)
def test_a_unit_of_several_pictures_holds_no_more_pixels_than_it_may(sizes):
    array = sizes_of(*sizes).astype(np.int64)
    for unit in make_units(array.astype(np.int32)):
        padded = -(-array[unit] // 16) * 16
        assert len(unit) == 1 or padded.prod(axis=1).sum() <= PIXELS


def test_pictures_of_one_padded_size_lie_together():
    units = make_units(sizes_of(*[(64, 64), (32, 32), (50, 60)] * 8))
    order = np.concatenate(units)
    assert sorted(order[:8]) == list(range(1, 24, 3))


@pytest.mark.parametrize(("pictures", "most"), [(10, FEWEST), (64 * 20, 20), (10_000, MOST)])
def test_small_collections_make_small_units(pictures, most):
    units = make_units(np.full((pictures, 2), 32, np.int32))
    assert max(map(len, units)) == most
