"""Scores of filled images against the ground truth, one by one and averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isnet import metrics
from isnet.lpips import Lpips
from pipelines.evaluation.filling import fill_samples
from pipelines.evaluation.fills import Fill
from pipelines.evaluation.samples import Sample
from pipelines.evaluation.statistics import finite_mean
from pipelines.evaluation.work import WorkItem


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one method did on one item; on the composite, rounded to 8 bits."""

    item: WorkItem
    psnr: float
    """dB; infinite where the composite equals the ground truth."""
    ssim: float
    mae: float
    """In [0, 1]."""
    relative_mae: float
    """A fraction, Table 2's unit; infinite where only the ground truth is black."""
    lpips: float | None
    """None where it was not measured."""
    passes: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Means over items."""

    psnr: float
    """Mean of the finite values, dB; NaN where there is none."""
    ssim: float
    mae: float
    relative_mae: float
    """Mean of the finite values; NaN where there is none."""
    lpips: float | None
    """None where it was not measured."""
    passes: float
    count: int
    infinite: int
    """Items whose PSNR is infinite, counted apart."""


def score(
    samples: Sequence[Sample],
    fill: Fill,
    *,
    device: torch.device,
    batch_size: int = 16,
    lpips: Lpips | None = None,
) -> Iterator[Score]:
    """Measure one method, on the composite; only the corrupted image reaches it.

    LPIPS is measured where it is given, on `device`; it takes most of the time.
    """
    for start in range(0, len(samples), batch_size):
        chunk = samples[start : start + batch_size]
        ground_truth, filled = fill_samples(chunk, fill, device)
        values = measure(filled.image, ground_truth, {} if lpips is None else {"lpips": lpips})
        distances = values.get("lpips", [None] * len(chunk))
        for index, (sample, passes) in enumerate(zip(chunk, filled.passes.tolist(), strict=True)):
            yield Score(
                item=sample.item,
                psnr=values["psnr"][index],
                ssim=values["ssim"][index],
                mae=values["mae"][index],
                relative_mae=values["relative_mae"][index],
                lpips=distances[index],
                passes=passes,
            )


def measure(
    picture: Tensor, ground_truth: Tensor, lpips: Mapping[str, Lpips]
) -> dict[str, list[float]]:
    """Measure pictures, rounded to 8 bits, against the ground truth.

    Args:
        picture: float (B, 3, H, W) in [0, 1].
        ground_truth: the same shape.
        lpips: networks of LPIPS, by the name that their column gets.

    Returns:
        `psnr` in dB, `ssim`, `mae` and `relative_mae` as fractions, and a column for each network
        of LPIPS; B values each.

    """
    rounded = metrics.round_to_8_bits(picture)
    functions: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "psnr": metrics.psnr,
        "ssim": metrics.ssim,
        "mae": metrics.mae,
        "relative_mae": metrics.relative_mae,
        **lpips,
    }
    return {name: function(rounded, ground_truth).tolist() for name, function in functions.items()}


def summarise(scores: Sequence[Score]) -> Summary:
    """Average scores; infinite PSNRs are counted apart, nothing infinite is averaged."""
    distances = [score.lpips for score in scores if score.lpips is not None]
    return Summary(
        psnr=_finite_mean([score.psnr for score in scores]),
        ssim=float(np.mean([score.ssim for score in scores])),
        mae=float(np.mean([score.mae for score in scores])),
        relative_mae=_finite_mean([score.relative_mae for score in scores]),
        lpips=float(np.mean(distances)) if distances else None,
        passes=float(np.mean([score.passes for score in scores])),
        count=len(scores),
        infinite=sum(not np.isfinite(score.psnr) for score in scores),
    )


def _finite_mean(values: Sequence[float]) -> float:
    mean = finite_mean(np.array(values))
    return float("nan") if mean is None else mean
