"""Makes an evaluation's rows into means and paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from isnet.masks import PUBLISHED_BUCKETS
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.results import METRICS, Bucket, Difference, Group, Results, Subject
from pipelines.evaluation.rows import COMPOSITE, Picture
from pipelines.evaluation.statistics import (
    estimate,
    finite_mean,
    paired_difference,
    photographs_of,
    pooled_batches,
)
from pipelines.evaluation.work import Work

_Frames = Mapping[tuple[Subject, Picture], pd.DataFrame]


class _Plan:
    """The work as arrays, looked up by item."""

    def __init__(self, work: Work) -> None:
        self._buckets = np.array([item.bucket for item in work.items], dtype=int)
        self._photographs = photographs_of([item.image for item in work.items])
        self.buckets = tuple(sorted({*range(PUBLISHED_BUCKETS), *self._buckets.tolist()}))

    def items(self, bucket: Bucket) -> np.ndarray:
        """List the items of a bucket."""
        inside = np.full(len(self._buckets), True) if bucket is None else self._buckets == bucket
        return np.flatnonzero(inside)

    def within(self, rows: pd.DataFrame, bucket: Bucket) -> pd.DataFrame:
        """Take the rows of a bucket."""
        return rows if bucket is None else rows[self._buckets[rows.index] == bucket]

    def photographs(self, items: pd.Index | np.ndarray) -> np.ndarray:
        """Look up which photograph each item is from."""
        return self._photographs[items]


def gather(outcome: EvaluationOutcome) -> Results:
    """Average all scores, and compare the composites of every pair of subjects."""
    subjects = tuple(
        Subject(model=candidate.name, method=method)
        for candidate in outcome.candidates
        for method in candidate.methods
    )
    first = outcome.candidates[0]
    reference = Subject(model=first.name, method=first.methods[-1])
    plan, frames = _Plan(outcome.work), _frames(outcome.scores)
    items = {bucket: plan.items(bucket) for bucket in (None, *plan.buckets)}
    return Results(
        subjects=subjects,
        buckets=plan.buckets,
        items={bucket: len(inside) for bucket, inside in items.items()},
        photographs={
            bucket: len(np.unique(plan.photographs(inside))) for bucket, inside in items.items()
        },
        groups={
            (subject, picture, bucket): group
            for (subject, picture), frame in frames.items()
            for bucket, group in _groups(frame, plan)
        },
        reference=reference,
        differences=tuple(_differences(sorted(subjects, key=reference.__ne__), frames, plan)),
        work_hash=outcome.work.hash,
    )


def _frames(scores: pd.DataFrame) -> _Frames:
    """Take the rows apart by subject and picture, in the order of the plan."""
    return {
        (Subject(model=model, method=method), picture): rows.set_index("item").sort_index()
        for (model, method, picture), rows in scores.groupby(["model", "method", "picture"])
    }


def _groups(rows: pd.DataFrame, plan: _Plan) -> Iterator[tuple[Bucket, Group]]:
    scored = rows[rows["error"].isna()]
    batches = {
        bucket: pooled_batches(_column(plan.within(scored, bucket), "psnr"))
        for bucket in plan.buckets
    }
    # No batch goes over two buckets, overall neither.
    pooled: dict[Bucket, np.ndarray] = {None: np.concatenate(list(batches.values())), **batches}
    for bucket, values in pooled.items():
        inside = plan.within(scored, bucket)
        photographs = plan.photographs(inside.index)
        yield (
            bucket,
            Group(
                estimates={
                    metric: estimate(_column(inside, metric), photographs) for metric in METRICS
                },
                count=len(inside),
                failed=len(plan.within(rows, bucket)) - len(inside),
                infinite=int(np.isinf(_column(inside, "psnr")).sum()),
                batch_pooled_psnr=finite_mean(values),
            ),
        )


def _differences(subjects: Sequence[Subject], frames: _Frames, plan: _Plan) -> Iterator[Difference]:
    """Compare each subject with all before it, over the items that both have scores of."""
    for reference, subject in combinations(subjects, 2):
        pair = [frames.get((each, COMPOSITE)) for each in (subject, reference)]
        scored = [rows[rows["error"].isna()] for rows in pair if rows is not None]
        if len(scored) < len(pair):
            continue
        shared = scored[0].index.intersection(scored[1].index)
        for bucket in (None, *plan.buckets):
            first, second = (plan.within(rows.loc[shared], bucket) for rows in scored)
            photographs = plan.photographs(first.index)
            estimates = {
                metric: paired_difference(
                    _column(first, metric), _column(second, metric), photographs
                )
                for metric in METRICS
            }
            yield Difference(
                subject=subject, reference=reference, bucket=bucket, estimates=estimates
            )


def _column(rows: pd.DataFrame, name: str) -> np.ndarray:
    return rows[name].to_numpy(dtype=float)
