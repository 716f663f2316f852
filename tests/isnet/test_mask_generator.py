"""Generated masks: the ratio asked for, always an end, strokes rather than noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from isnet.config import InputError
from isnet.mask_generator import random_hole


def holes(count: int, *, size: int = 64, ratio_range: tuple[float, float]) -> list[np.ndarray]:
    """Masks of consecutive seeds."""
    return [
        random_hole(np.random.default_rng(seed), height=size, width=size, ratio_range=ratio_range)
        for seed in range(count)
    ]


@pytest.mark.parametrize(
    "ratio_range",
    [(0.0, 0.01), (0.05, 0.6), (0.1, 0.2), (0.3, 0.301), (0.07, 0.071), (0.9, 0.95), (0.99, 1.0)],
)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (16, 96), (200, 120)])
def test_ratio_is_in_the_range(ratio_range: tuple[float, float], height: int, width: int) -> None:
    for seed in range(5):
        hole = random_hole(
            np.random.default_rng(seed), height=height, width=width, ratio_range=ratio_range
        )
        assert hole.shape == (height, width)
        assert hole.dtype == bool
        assert ratio_range[0] <= hole.mean() < ratio_range[1]


def test_upper_end_is_open_where_rounding_would_reach_it() -> None:
    # 7 of 100 pixels is 0.07, which is outside; 0.07 * 100 rounds to above 7.
    ratios = [
        random_hole(
            np.random.default_rng(seed), height=10, width=10, ratio_range=(0.05, 0.07)
        ).mean()
        for seed in range(30)
    ]
    assert set(ratios) == {0.05, 0.06}


def test_smallest_masks_are_neither_empty_nor_full() -> None:
    for seed in range(20):
        hole = random_hole(np.random.default_rng(seed), height=1, width=2, ratio_range=(0.0, 1.0))
        assert hole.sum() == 1


def test_same_generator_state_gives_the_same_mask() -> None:
    first, second = (
        random_hole(np.random.default_rng(7), height=64, width=64, ratio_range=(0.2, 0.4))
        for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_different_seeds_give_different_masks() -> None:
    masks = holes(20, ratio_range=(0.2, 0.4))
    assert len({mask.tobytes() for mask in masks}) == 20


def test_ratios_spread_evenly_over_the_range() -> None:
    ratios = [mask.mean() for mask in holes(300, size=32, ratio_range=(0.1, 0.5))]
    counts, _ = np.histogram(ratios, bins=4, range=(0.1, 0.5))
    assert counts.min() > 45  # 75 expected; the binomial deviation is 7.5


def test_holes_are_strokes_and_not_noise() -> None:
    # Of isolated pixels almost none would survive an opening, of a stroke nearly all do.
    for mask in holes(20, size=128, ratio_range=(0.1, 0.5)):
        opened = ndimage.binary_opening(mask, np.ones((2, 2)))
        assert opened.sum() > 0.85 * mask.sum()


def test_thickness_varies() -> None:
    radii = [
        ndimage.distance_transform_edt(mask).max()
        for mask in holes(40, size=128, ratio_range=(0.05, 0.3))
    ]
    assert max(radii) > 3 * min(radii)


def test_some_strokes_are_as_fine_as_scratches() -> None:
    # What an opening takes away: of thick strokes only pixels at their tips and where they cross.
    taken = [
        mask & ~ndimage.binary_opening(mask, np.ones((4, 4)))
        for mask in holes(40, size=256, ratio_range=(0.05, 0.6))
    ]
    longest = [
        np.bincount(ndimage.label(mask, np.ones((3, 3)))[0].flat)[1:].max() for mask in taken
    ]
    assert sum(pixels > 30 for pixels in longest) > 20


def test_holes_touch_the_border_sometimes_only() -> None:
    touching = [
        bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())
        for mask in holes(60, ratio_range=(0.02, 0.1))
    ]
    assert 5 < sum(touching) < 55


@pytest.mark.parametrize(
    "ratio_range", [(0.5, 0.5), (0.6, 0.2), (-0.1, 0.5), (0.5, 1.1), (float("nan"), 0.5)]
)
def test_nonsense_range_is_refused(ratio_range: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"hole ratio range .*0 <= low < high <= 1"):
        random_hole(np.random.default_rng(0), height=64, width=64, ratio_range=ratio_range)


def test_range_between_two_pixel_counts_is_refused() -> None:
    with pytest.raises(InputError, match="no number of pixels"):
        random_hole(np.random.default_rng(0), height=4, width=4, ratio_range=(0.51, 0.55))


def test_empty_size_is_refused() -> None:
    with pytest.raises(InputError, match="0x64"):
        random_hole(np.random.default_rng(0), height=64, width=0)
