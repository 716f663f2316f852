"""How the tables of an evaluation print: means with intervals, differences, captions."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.evaluation.results import Results, Subject
from pipelines.evaluation.statistics import Estimate
from pipelines.reporting.document import MISSING, Column, Table
from pipelines.reporting.figures import MAE, PSNR, SSIM, Score

RELATIVE_MAE = Score(name="relative_mae", header="relative MAE ↓", digits=3)
PASSES = Score(name="passes", header="passes", digits=1)
LPIPS = (
    Score(name="lpips_alexnet", header="LPIPS AlexNet ↓", digits=3),
    Score(name="lpips_vgg16", header="LPIPS VGG16 ↓", digits=3),
)
BY_BUCKET = (PSNR, SSIM, MAE)
"""The scores of Tables 5 and 6."""

_WIDE = 10
"""Units of its last digit but one, from which an interval is printed without the last."""


def measured(results: Results) -> list[Score]:
    """Take the scores of the tables that any picture has."""
    return [score for score in (*BY_BUCKET, *LPIPS) if results.has(score.name)]


def show_mean(score: Score, estimate: Estimate) -> str:
    """Print a mean and its interval, such as `23.00 [22.1, 23.9]`."""
    if estimate.mean is None:
        return MISSING
    return score.show(estimate.mean) + _interval(score, estimate, "")


def show_difference(score: Score, estimate: Estimate) -> str:
    """Print a difference, such as `+0.31 [+0.10, +0.52] *`, with a star where 0 is outside."""
    if estimate.mean is None:
        return MISSING
    star = " *" if estimate.excludes_zero else ""
    mean = f"{estimate.mean * score.scale:+.{score.digits}f}"
    return mean + _interval(score, estimate, "+") + star


def _interval(score: Score, estimate: Estimate, sign: str) -> str:
    if estimate.low is None or estimate.high is None:
        return f" [{MISSING}]"
    low, high = estimate.low * score.scale, estimate.high * score.scale
    coarse = score.digits - 1
    digits = coarse if (high - low) * 10**coarse >= _WIDE else score.digits
    return f" [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def subject_columns(subjects: Sequence[Subject]) -> list[Column]:
    """Say whose figures a row has."""
    return [
        Column(header="Model", cells=tuple(each.model for each in subjects), text=True),
        Column(header="Method", cells=tuple(each.method for each in subjects), text=True),
    ]


def hashed_table(
    columns: Sequence[Column], caption: str, work_hash: str, *, file: str = ""
) -> Table:
    """Make a table whose caption says on which work its figures stand."""
    return Table(columns=tuple(columns), caption=f"{caption} Work {work_hash}.", file=file)
