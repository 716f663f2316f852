"""A job as clients see it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.bulk.progress import JobProgress
from pipelines.serving.jobs.record import JobRecord, State


class JobCounts(BaseModel):
    """Pictures of a job."""

    total: int | None = Field(description="null until they are listed.")
    done: int
    failed: int


class JobFailure(BaseModel):
    """A picture that could not be filled."""

    input: str
    reason: str = Field(description="For programs.")
    error: str = Field(description="For people.")


class Job(BaseModel):
    """A bulk job."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    state: State
    submitted: str = Field(description="ISO 8601, as all times.")
    started: str | None
    ended: str | None
    input: str
    masks: str
    output: str | None = Field(description="null for uploads, whose results are downloaded.")
    uploaded: bool
    options: dict[str, Any]
    model_version: str
    counts: JobCounts
    images_per_second: float | None
    seconds_left: float | None
    failures: list[JobFailure] = Field(description="The first 100; none in the list of jobs.")
    error: str | None
    run_id: str | None = Field(description="The job's MLflow run.")
    results: str | None = Field(description="Where to download them; null before it starts.")


class JobList(BaseModel):
    """The jobs of a client, newest first."""

    jobs: list[Job]


class Thumbnail(BaseModel):
    """A result, small."""

    input: str
    output: str
    image: str | None = Field(description="A JPEG as a data URL; null where it is gone.")


class Thumbnails(BaseModel):
    """Some of a job's results."""

    total: int
    thumbnails: list[Thumbnail]


def describe(record: JobRecord, progress: JobProgress | None, *, failures: bool) -> dict[str, Any]:
    """Show a job, with the failures that its progress names or without."""
    listed = progress.failures if failures and progress is not None else ()
    running = progress if record.state == "running" else None
    counts = JobCounts(
        total=progress.total if progress else None,
        done=progress.done if progress else 0,
        failed=progress.failed if progress else 0,
    )
    job = Job(
        id=record.id,
        state=record.state,
        submitted=_written(record.submitted),
        started=None if record.started is None else _written(record.started),
        ended=None if record.ended is None else _written(record.ended),
        input=record.input,
        masks=record.masks,
        output=record.output,
        uploaded=record.uploaded,
        options=record.options,
        model_version=record.model_version,
        counts=counts,
        images_per_second=progress.images_per_second if progress else None,
        seconds_left=running.seconds_left if running else None,
        failures=[JobFailure(**failure) for failure in listed],
        error=record.error,
        run_id=progress.run_id if progress else None,
        results=None if record.started is None else f"/v1/jobs/{record.id}/results",
    )
    return job.model_dump()


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
