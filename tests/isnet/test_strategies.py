"""Regions: what the network sees of a picture, which is nothing of what lies in the hole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isnet.config import InputError
from isnet.strategies import Region, Strategy, enlarge, find_regions
from tests.isnet.holes import GARBAGE, HOSTILE, as_floats, colours_of, dotted, masks


@pytest.mark.parametrize("dtype", GARBAGE)
@pytest.mark.parametrize("strategy", ["original", "crop"])
def test_regions_are_the_picture_with_nothing_in_the_hole(dtype: type, strategy: Strategy) -> None:
    colours, hole = colours_of((500, 400), dtype), dotted(500, 400, step=390, first=9)
    before = colours.copy()
    regions = find_regions(colours, hole, strategy, scale=256)
    assert len(regions) == (1 if strategy == "original" else 4)
    for region in regions:
        left, top, right, bottom = region.box
        np.testing.assert_array_equal(region.hole, hole[top:bottom, left:right])
        expected = np.where(region.hole[..., None], 0, colours[top:bottom, left:right])
        assert region.colours.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
        np.testing.assert_allclose(
            as_floats(region.colours), as_floats(expected.astype(dtype)), rtol=1e-6
        )
        region.colours[:], region.hole[:] = 7, False
    np.testing.assert_array_equal(colours, before)


def test_original_is_one_region_of_the_whole_picture() -> None:
    (region,) = find_regions(colours_of((70, 50)), dotted(70, 50, step=30), "original", scale=16)
    assert (region.box, region.hole.shape) == ((0, 0, 50, 70), (70, 50))


@pytest.mark.parametrize("strategy", ["original", "crop", "resize"])
def test_no_hole_is_no_region(strategy: Strategy) -> None:
    hole = np.zeros((300, 300), dtype=bool)
    assert find_regions(colours_of(hole.shape), hole, strategy, scale=64) == []


@settings(deadline=None, max_examples=40)
@given(masks(), st.integers(1, 300), st.sampled_from(list(GARBAGE)))
def test_resized_pixels_are_means_and_the_hole_never_shrinks(
    hole: np.ndarray, scale: int, dtype: type
) -> None:
    colours = colours_of(hole.shape, dtype)
    hole[0, 0] = True
    (region,) = find_regions(colours, hole, "resize", scale=scale)
    shape = region.hole.shape
    assert all(low % 16 == 0 or low == high for low, high in zip(shape, hole.shape, strict=True))
    # The pixel of the smaller picture that the middle of each pixel lies in.
    rows, columns = (
        (2 * np.arange(high) + 1) * low // (2 * high)
        for low, high in zip(shape, hole.shape, strict=True)
    )
    where = np.ix_(rows, columns)
    missing, sums, count = np.zeros(shape, bool), np.zeros((*shape, 3)), np.zeros(shape)
    np.logical_or.at(missing, where, hole)
    np.add.at(sums, where, as_floats(colours).astype(np.float64))
    np.add.at(count, where, 1)
    np.testing.assert_array_equal(region.hole, missing)
    expected = np.where(missing[..., None], 0, sums / count[..., None])
    np.testing.assert_allclose(as_floats(region.colours), expected, atol=1e-6)


@pytest.mark.parametrize("name", HOSTILE)
def test_masks_made_to_hurt_can_be_resized(name: str) -> None:
    hole = HOSTILE[name]()
    colours = np.broadcast_to(np.uint8(100), (*hole.shape, 3))
    (region,) = find_regions(colours, hole, "resize", scale=256)
    assert region.hole.any()
    assert region.hole.size <= 256 * max(hole.shape)


def test_a_whole_factor_is_a_plain_mean() -> None:
    colours, hole = colours_of((96, 144)), dotted(96, 144, step=50)
    (region,) = find_regions(colours, hole, "resize", scale=32)
    means = colours.reshape(32, 3, 48, 3, 3).mean(axis=(1, 3)) / 255
    np.testing.assert_array_equal(region.hole, hole.reshape(32, 3, 48, 3).any(axis=(1, 3)))
    np.testing.assert_allclose(region.colours[~region.hole], means[~region.hole], atol=1e-6)


def test_a_smaller_picture_is_not_enlarged() -> None:
    colours, hole = colours_of((40, 300)), dotted(40, 300, step=17)
    (whole,) = find_regions(colours, hole, "original", scale=41)
    (region,) = find_regions(colours, hole, "resize", scale=41)
    np.testing.assert_array_equal(region.colours, whole.colours)
    np.testing.assert_array_equal(region.hole, hole)


@pytest.mark.parametrize("dtype", GARBAGE)
@pytest.mark.parametrize("strategy", ["original", "crop", "resize"])
@pytest.mark.filterwarnings("error")
def test_garbage_in_the_hole_reaches_no_region(dtype: type, strategy: Strategy) -> None:
    colours, hole = colours_of((300, 400), dtype), dotted(300, 400, step=90, first=5)
    hole[30:60, 200:260] = True
    damaged = colours.copy()
    damaged[hole] = np.random.default_rng(1).choice(GARBAGE[dtype], (int(hole.sum()), 3))
    clean, dirty = (find_regions(c, hole, strategy, scale=48) for c in (colours, damaged))
    assert [region.box for region in dirty] == [region.box for region in clean]
    for one, other in zip(clean, dirty, strict=True):
        assert one.colours.tobytes() == other.colours.tobytes()


def test_views_of_any_layout_are_taken() -> None:
    colours, hole = colours_of((200, 300)), dotted(200, 300, step=70, first=9)
    views = colours[::-1, ::-1], hole[::-1, ::-1]
    (seen,) = find_regions(*views, "resize", scale=32)
    (expected,) = find_regions(*(view.copy() for view in views), "resize", scale=32)
    np.testing.assert_array_equal(seen.colours, expected.colours)
    np.testing.assert_array_equal(seen.hole, expected.hole)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_enlarging_to_the_same_size_puts_the_fill_in_row_major_order(dtype: type) -> None:
    colours, hole = colours_of((20, 30), dtype), dotted(20, 30, step=7)
    region = Region(box=(5, 6, 35, 26), colours=colours, hole=hole)
    fill = colours_of((int(hole.sum()),), np.float32)
    expected = as_floats(colours).astype(np.float32)
    expected[hole] = fill
    result = enlarge(region, fill)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    np.testing.assert_array_equal(result[hole], fill)
    np.testing.assert_array_equal(colours, colours_of((20, 30), dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_enlarging_stays_in_range_and_keeps_a_plain_colour(dtype: type) -> None:
    hole = dotted(301, 403, step=60)
    harsh = np.where(colours_of(hole.shape, dtype) > colours_of((), dtype).mean(), 1, 0)
    for colours in (harsh, np.full(harsh.shape, 1)):
        white = np.iinfo(dtype).max if dtype == np.uint8 else 1
        (region,) = find_regions((colours * white).astype(dtype), hole, "resize", scale=48)
        result = enlarge(region, np.ones((int(region.hole.sum()), 3), np.float32))
        assert (result.shape, result.dtype) == ((301, 403, 3), np.float32)
        assert result.min() >= 0
        assert result.max() <= 1
    np.testing.assert_allclose(result, 1, atol=1e-6)


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(InputError, match="strategy 'tile'; choose original, crop, resize"):
        find_regions(
            colours_of((8, 8)),
            dotted(8, 8, step=3),
            "tile",  # type: ignore[arg-type]
            scale=8,
        )


@pytest.mark.parametrize("scale", [0, -5])
def test_a_scale_without_pixels_is_refused(scale: int) -> None:
    with pytest.raises(InputError, match=f"scale is {scale}; it must be at least 1"):
        find_regions(colours_of((8, 8)), dotted(8, 8, step=3), "resize", scale=scale)
