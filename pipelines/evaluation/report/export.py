"""The results as flat tables, every figure to its last digit; shares are fractions, not %."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from isnet.masks import bucket_name
from pipelines.evaluation.outcome import Timing
from pipelines.evaluation.report.latency import latency_of
from pipelines.evaluation.results import METRICS, Bucket, Results
from pipelines.evaluation.rows import COMPOSITE, PREDICTION
from pipelines.evaluation.statistics import Estimate

SUMMARY, DIFFERENCES, LATENCY = "summary.csv", "differences.csv", "latency.csv"


def write_tables(results: Results, timings: Sequence[Timing], folder: Path) -> list[Path]:
    """Write all three tables; what there is not is left empty."""
    tables = {
        SUMMARY: list(_summary(results)),
        DIFFERENCES: list(_differences(results)),
        LATENCY: [_latency(timing, results.work_hash) for timing in timings],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["work"])
            writer.writeheader()
            writer.writerows(rows)
    return [folder / name for name in tables]


def _summary(results: Results) -> Iterator[dict[str, Any]]:
    """Give a row for each bucket, subject and picture."""
    rows = product(results.subjects, (COMPOSITE, PREDICTION), (None, *results.buckets))
    for subject, picture, bucket in rows:
        group = results.group(subject, bucket, picture)
        if picture == PREDICTION and (subject, picture, bucket) not in results.groups:
            continue
        row: dict[str, Any] = {
            "bucket": _name(bucket),
            "model": subject.model,
            "method": subject.method,
            "picture": picture,
            "items": group.count,
            "failed": group.failed,
            "infinite": group.infinite,
        }
        for metric in METRICS:
            row |= {
                f"{metric}{ending}": value
                for ending, value in _bounds(group.estimates[metric]).items()
            }
        yield row | {"batch_pooled_psnr": group.batch_pooled_psnr, "work": results.work_hash}


def _differences(results: Results) -> Iterator[dict[str, Any]]:
    """Give a row for each pair of subjects, bucket and metric."""
    for each in results.differences:
        for metric in METRICS:
            found = each.estimates[metric]
            yield {
                "bucket": _name(each.bucket),
                "model": each.subject.model,
                "method": each.subject.method,
                "reference_model": each.reference.model,
                "reference_method": each.reference.method,
                "metric": metric,
                **{f"difference{ending}": value for ending, value in _bounds(found).items()},
                "items": found.count,
                "left_out": found.left_out,
                "photographs": found.photographs,
                "excludes_zero": found.excludes_zero,
                "work": results.work_hash,
            }


def _latency(timing: Timing, work_hash: str) -> dict[str, Any]:
    latency = latency_of(timing)
    return {
        "model": timing.model,
        "method": timing.method,
        "batch_size": timing.batch_size,
        "device": timing.device,
        "precision": timing.precision,
        "size": timing.size,
        "batches": len(timing.milliseconds),
        "median_ms": latency.median,
        "p95_ms": latency.p95,
        "warm_up_ms": timing.warm_up,
        "images_per_second": latency.images_per_second,
        "published_ms": latency.published,
        "work": work_hash,
    }


def _name(bucket: Bucket) -> str:
    return "all" if bucket is None else bucket_name(bucket)


def _bounds(estimate: Estimate) -> dict[str, float | None]:
    return {"": estimate.mean, "_low": estimate.low, "_high": estimate.high}
