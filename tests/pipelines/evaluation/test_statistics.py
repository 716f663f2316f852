"""Means and their intervals: photographs are what is resampled."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, t

from pipelines.evaluation.statistics import (
    RESAMPLES,
    estimate,
    finite_mean,
    paired_difference,
    photographs_of,
    pooled_batches,
)

VALUES = np.random.default_rng(3).normal(24, 3, 60)


def width(found) -> float:
    return found.high - found.low


def test_a_crop_belongs_to_its_photograph():
    keys = ["a.jpg#0", "b#1.jpg#0", "a.jpg#1", "c.jpg", "b#1.jpg#3"]
    assert photographs_of(keys).tolist() == [0, 1, 0, 2, 1]


def test_with_one_crop_a_photograph_the_interval_is_the_plain_bootstraps():
    found = estimate(VALUES, np.arange(len(VALUES)))
    plain = bootstrap(
        (VALUES,),
        np.mean,
        vectorized=True,
        method="percentile",
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert found.mean == pytest.approx(VALUES.mean())
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))
    assert (found.count, found.photographs, found.left_out) == (60, 60, 0)


@pytest.mark.parametrize("count", [2, 3, 12, 49])
def test_of_few_photographs_with_one_crop_each_the_interval_is_students(count):
    values = VALUES[:count]
    found = estimate(values, np.arange(count))
    expected = t.interval(0.95, count - 1, values.mean(), values.std(ddof=1) / np.sqrt(count))
    assert (found.low + found.high) / 2 == pytest.approx(values.mean())
    assert width(found) == pytest.approx(expected[1] - expected[0], rel=0.05)


@pytest.mark.parametrize("count", [3, 5, 10, 20])
def test_nineteen_of_twenty_intervals_hold_the_mean_however_few_the_photographs(count):
    rng = np.random.default_rng(count)
    held = []
    for _ in range(400):
        photographs = np.repeat(np.arange(count), rng.integers(4, 13, count))
        values = rng.normal(0, 3, count)[photographs] + rng.normal(0, 2, len(photographs))
        held.append(not estimate(values, photographs).excludes_zero)
    assert 0.92 <= np.mean(held) <= 0.98


def test_crops_that_repeat_tell_nothing_new():
    single = estimate(VALUES, np.arange(len(VALUES)))
    repeated = estimate(np.repeat(VALUES, 4), np.repeat(np.arange(len(VALUES)), 4))
    naive = estimate(np.repeat(VALUES, 4), np.arange(4 * len(VALUES)))
    assert width(repeated) == pytest.approx(width(single))
    assert width(naive) < 0.6 * width(repeated)


def test_a_photograph_of_more_crops_weighs_more():
    assert estimate(np.array([1.0, 1.0, 1.0, 5.0]), np.array([0, 0, 0, 1])).mean == 2


def test_what_is_infinite_or_missing_is_left_out():
    values = np.array([20.0, np.inf, 22.0, np.nan])
    found = estimate(values, np.arange(4))
    assert (found.mean, found.count, found.photographs, found.left_out) == (21, 2, 2, 2)


@pytest.mark.parametrize("values", [[], [np.inf], [20.0], [20.0, 21.0]])
def test_of_one_photograph_there_is_no_interval(values):
    found = estimate(np.array(values), np.zeros(len(values), dtype=int))
    assert (found.low, found.high) == (None, None)
    assert not found.excludes_zero


def test_paired_differences_cancel_what_items_share():
    noise = np.random.default_rng(1).normal(0.5, 0.1, len(VALUES))
    photographs = np.arange(len(VALUES))
    found = paired_difference(VALUES + noise, VALUES, photographs)
    assert found.mean == pytest.approx(noise.mean())
    assert found.excludes_zero
    assert width(found) < width(estimate(VALUES, photographs)) / 5


def test_an_item_that_is_infinite_in_either_has_no_difference():
    first, second = np.array([np.inf, 20.0, np.inf, 25.0]), np.array([20.0, np.inf, np.inf, 24.0])
    found = paired_difference(first, second, np.arange(4))
    assert (found.mean, found.count, found.left_out) == (1, 1, 3)


def test_pooling_takes_eight_at_a_time():
    psnr = np.array([20.0] * 8 + [10.0, np.inf])
    assert pooled_batches(psnr).tolist() == pytest.approx([20, 10 + 10 * np.log10(2)])
    assert finite_mean(np.array([np.inf, 3.0, 4.0])) == 3.5
    assert finite_mean(np.array([np.inf])) is None
