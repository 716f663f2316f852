"""Means over images and how sure they are: bootstrap intervals that resample photographs.

Crops of one photograph are not independent, so whole photographs are drawn, with all their items.
From `MANY_PHOTOGRAPHS` on, an interval is the percentiles of the drawn means. With fewer these are
too close together (of 3 photographs they hold the true mean in 75 of 100 cases, of 10 in 90); there
it is Student's, with the standard error of the drawn means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import torch

from isnet.metrics import batch_pooled_psnr

FEW_PHOTOGRAPHS = 10
"""Below this many an interval is wide, and right only if photographs' means are about normal."""
MANY_PHOTOGRAPHS = 50
"""From this many on the bootstrap's percentiles are an interval that holds what it promises."""
BATCH = 8
"""Items a batch of the authors' average."""
RESAMPLES = 1000
"""Bootstrap samples behind an interval."""

_LEVEL = 0.95
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over items, with its 95 % interval."""

    mean: float | None
    """Of the finite values; None where there is none."""
    low: float | None
    """Lower end of the interval; None with fewer than two photographs."""
    high: float | None
    count: int
    """Items that the mean is over."""
    photographs: int
    """Photographs that these are from."""
    left_out: int
    """Items whose value is infinite or was not measured."""

    @property
    def excludes_zero(self) -> bool:
        """Tell whether 0 lies outside the interval."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def photographs_of(images: Sequence[str]) -> np.ndarray:
    """Number the photographs that images were cut from: int (N,), by keys such as `a.jpg#2`."""
    keys = [image.rpartition("#")[0] or image for image in images]
    return np.unique(np.asarray(keys, dtype=np.str_), return_inverse=True)[1]


def estimate(values: np.ndarray, photographs: np.ndarray) -> Estimate:
    """Average values and bound the mean, by Student's interval or by percentiles.

    Args:
        values: float (N,); infinite ones and NaN are left out.
        photographs: int (N,), which photograph each is from.

    """
    finite = np.isfinite(values)
    places = np.unique(photographs[finite], return_inverse=True)[1]
    sums = np.bincount(places, weights=values[finite])
    counts = np.bincount(places)
    low, high = _interval(sums, counts) if len(counts) > 1 else (None, None)
    return Estimate(
        mean=float(sums.sum() / counts.sum()) if len(counts) else None,
        low=low,
        high=high,
        count=int(counts.sum()),
        photographs=len(counts),
        left_out=int((~finite).sum()),
    )


def _interval(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Bound the mean by what resampled photographs give, two of them at least."""
    means = _drawn_means(sums, counts)
    if len(sums) >= MANY_PHOTOGRAPHS:
        low, high = np.percentile(means, [50 - 50 * _LEVEL, 50 + 50 * _LEVEL])
        return float(low), float(high)
    mean, reach = float(sums.sum() / counts.sum()), _standard_errors(len(sums)) * float(means.std())
    return mean - reach, mean + reach


def _drawn_means(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average what each bootstrap sample has drawn: float (RESAMPLES,)."""
    totals = np.stack([sums, counts], axis=1)
    # Piece by piece: of thousands of photographs all draws as floats are large.
    pieces = np.array_split(_draws(len(sums)), min(len(sums), RESAMPLES))
    drawn = np.concatenate([rows.astype(float) @ totals for rows in pieces])
    return drawn[:, 0] / drawn[:, 1]


@cache
def _standard_errors(photographs: int) -> float:
    """How many of the bootstrap's standard errors Student's interval reaches to either side.

    The spread of drawn means is too small by the factor sqrt((G - 1) / G) for G photographs, as a
    standard deviation is that divides by G; here that is made good.
    """
    from scipy.stats import t

    quantile = float(t.ppf((1 + _LEVEL) / 2, photographs - 1))
    return quantile * math.sqrt(photographs / (photographs - 1))


@lru_cache(maxsize=4)
def _draws(photographs: int) -> np.ndarray:
    """How often each photograph is drawn in each bootstrap sample: uint16 (RESAMPLES, P).

    What `scipy.stats.bootstrap` does for one figure, kept for all figures of a report: with 10,000
    photographs drawing is what takes the time.
    """
    rng = np.random.default_rng(_SEED)
    draws = np.empty((RESAMPLES, photographs), dtype=np.uint16)
    for row in draws:
        drawn = rng.integers(0, photographs, photographs)
        row[:] = np.bincount(drawn, minlength=photographs)
    return draws


def paired_difference(first: np.ndarray, second: np.ndarray, photographs: np.ndarray) -> Estimate:
    """Average `first - second` over the same items: float (N,) each; infinite ones are left out."""
    with np.errstate(invalid="ignore"):  # infinite - infinite
        return estimate(first - second, photographs)


def pooled_batches(psnr: np.ndarray) -> np.ndarray:
    """PSNR of consecutive batches of 8, float (N / 8,), as the paper's authors average."""
    return batch_pooled_psnr(torch.tensor(psnr), BATCH).numpy()


def finite_mean(values: np.ndarray) -> float | None:
    """Average the finite values; None where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
