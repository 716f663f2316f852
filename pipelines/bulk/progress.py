"""How far a job is: a small file that whoever wants to know can read, and a line now and then."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipelines.bulk.results import FOLDER
from pipelines.storage import exists, join, open_filesystem, read_bytes, write_or_explain

FILE = f"{FOLDER}/progress.json"
"""Path below the output. Written anew about every second, whole or not at all."""

LISTED_FAILURES = 100
"""Failures that are named; the table has them all."""

State = Literal["measuring", "filling", "finished", "stopped", "interrupted", "failed"]
"""measuring the pictures; filling them; all tried; stopped after too many
failures; interrupted by a signal; failed because of `error`."""


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """How far a job is."""

    state: State
    updated: float
    """Seconds since 1970."""
    total: int
    """Pictures of the job."""
    done: int = 0
    """Pictures that are filled, by earlier runs too."""
    failed: int = 0
    """Pictures that could not be."""
    images_per_second: float | None = None
    """Of this run."""
    seconds_left: float | None = None
    failures: tuple[dict[str, str], ...] = ()
    """The first ones: input, reason, error."""
    run_id: str | None = None
    """The job's MLflow run."""
    error: str | None = None
    """What stopped it."""


def write_progress(output: str, progress: JobProgress) -> None:
    """Put a job's progress where others find it."""
    write_or_explain(join(output, FILE), json.dumps(asdict(progress)).encode())


def read_progress(output: str) -> JobProgress | None:
    """Read how far a job is, from any machine; None where it has not begun."""
    filesystem, folder = open_filesystem(output)
    path = f"{folder}/{FILE}"
    if not exists(filesystem, path):
        return None
    content: dict[str, Any] = json.loads(read_bytes(filesystem, path))
    content["failures"] = tuple(content["failures"])
    return JobProgress(**content)
