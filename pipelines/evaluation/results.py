"""What an evaluation comes to: means and paired differences, by bucket and overall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.evaluation.rows import COMPOSITE, FILL, LPIPS_COLUMNS, Method, Picture
from pipelines.evaluation.statistics import Estimate, estimate

METRICS = ("psnr", "ssim", "mae", "relative_mae", *LPIPS_COLUMNS.values(), "passes")
"""Columns of the rows that are averaged."""

Bucket = int | None
"""Index into `isnet.masks.BUCKETS`, or None for all items."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model or a classical method, and how it fills."""

    model: str
    method: Method

    @property
    def title(self) -> str:
        """What a column of its figures is called."""
        return self.model if self.method == FILL else f"{self.model} {self.method}"


@dataclass(frozen=True, kw_only=True)
class Group:
    """How a subject did on the items of a bucket."""

    estimates: Mapping[str, Estimate]
    """By metric."""
    count: int
    """Items with scores."""
    failed: int
    """Items with an error in their place."""
    infinite: int
    """Items without any error, whose PSNR is infinite."""
    batch_pooled_psnr: float | None
    """The authors' average: of the finite PSNRs of batches of one bucket, in the plan's order."""


_NOTHING = estimate(np.empty(0), np.empty(0, dtype=int))
NO_SCORES = Group(
    estimates=dict.fromkeys(METRICS, _NOTHING),
    count=0,
    failed=0,
    infinite=0,
    batch_pooled_psnr=None,
)
"""Of a subject that has no row in a bucket."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What one subject's composites have over another's, item by item."""

    subject: Subject
    reference: Subject
    bucket: Bucket
    estimates: Mapping[str, Estimate]
    """Subject minus reference, by metric, over the items that both have."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """What the tables and the exports are made of."""

    subjects: tuple[Subject, ...]
    """In the order of the tables."""
    buckets: tuple[int, ...]
    """Those of Tables 5 and 6, and any further one that the work has."""
    items: Mapping[Bucket, int]
    """How many the work has."""
    photographs: Mapping[Bucket, int]
    """How many the work's items are from."""
    groups: Mapping[tuple[Subject, Picture, Bucket], Group]
    """Those that have rows."""
    reference: Subject
    """What differences are shown to: the first candidate's PRA, or the only way it fills."""
    differences: tuple[Difference, ...]
    """Of all pairs, by bucket and overall."""
    work_hash: str

    def group(self, subject: Subject, bucket: Bucket = None, picture: Picture = COMPOSITE) -> Group:
        """Look up how a subject did."""
        return self.groups.get((subject, picture, bucket), NO_SCORES)

    def has(self, metric: str) -> bool:
        """Tell whether any picture has a metric."""
        return any(group.estimates[metric].count for group in self.groups.values())

    def from_reference(self, bucket: Bucket = None) -> list[Difference]:
        """Take the differences to the reference."""
        return [
            difference
            for difference in self.differences
            if difference.reference == self.reference and difference.bucket == bucket
        ]
