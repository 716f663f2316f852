"""The record of an evaluation in MLflow: a run with the means and the files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from isnet.config import InputError
from isnet.masks import bucket_name
from pipelines.evaluation.candidates import Entrant
from pipelines.evaluation.config import EvaluateConfig, shown
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.results import Results
from pipelines.logs import warn
from pipelines.storage import printable
from pipelines.tracking.runs import (
    Status,
    finish_run,
    git_commit,
    log_artifacts,
    log_once,
    open_run,
)

_log = logging.getLogger(__name__)

_ARTIFACTS = "evaluation"


def record(
    config: EvaluateConfig,
    entrants: Sequence[Entrant],
    outcome: EvaluationOutcome,
    results: Results,
    artifacts: Sequence[Path],
) -> None:
    """Log to a run of its own, shown under the run that trained the first model where known."""
    uri = config.tracking.uri
    hashes = {"data_hash": outcome.work.data_hash, "work_hash": outcome.work.hash}
    try:
        run_id = open_run(
            config.tracking,
            name=f"evaluate {outcome.candidates[0].name}",
            params={**_params(config), **hashes},
            tags={
                "evaluated": ", ".join(each.location for each in outcome.candidates),
                "git_commit": git_commit(Path(__file__).parent),
            },
            parent_run_id=_parent(uri, entrants[0]),
        )
    except InputError as error:
        warn(_log, f"not logged to MLflow: {error}")
        return
    status: Status = "FAILED"
    try:
        for path in artifacts:
            log_artifacts(uri, run_id, path, _ARTIFACTS)
        log_once(uri, run_id, 0, means_by_name(results))
        status = "FINISHED"
    finally:
        finish_run(uri, run_id, status)


def _params(config: EvaluateConfig) -> dict[str, Any]:
    """The configuration, but for a seed that a given plan was not made with."""
    params = shown(config)
    if config.plan is not None:
        del params["seed"]
    return params


def _parent(uri: str, first: Entrant) -> str | None:
    """The run that trained the first model, where it is on this server."""
    trained = first.trained_in
    return trained["run_id"] if trained.get("uri") in (uri, printable(uri)) else None


def means_by_name(results: Results) -> dict[str, float]:
    """Name the means for MLflow: evaluation/MODEL/METHOD/BUCKET/psnr, of the composites."""
    values: dict[str, float] = {}
    for subject, bucket in product(results.subjects, (None, *results.buckets)):
        group = "all" if bucket is None else bucket_name(bucket)
        for metric, estimate in results.group(subject, bucket).estimates.items():
            if estimate.mean is not None:
                name = f"evaluation/{subject.model}/{subject.method}/{group}/{metric}"
                values[name] = estimate.mean
    return values
