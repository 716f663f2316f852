"""A job's record: what was asked and what became of it, as JSON in storage."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pyarrow import fs
from pydantic import TypeAdapter

from isnet.config import ReconstructionConfig
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.progress import JobProgress, read_progress
from pipelines.storage import exists, join, open_filesystem, read_bytes, write_atomically
from pipelines.tracking.runs import TrackingConfig

_log = logging.getLogger("ray.serve")

FILE = "job.json"
_MISTAKE = "mistake-{}.txt"

UPLOAD, OUTPUT = "upload", "output"
"""Folders beside the record: what the client sent, and the results of that."""

ID = re.compile(r"[0-9a-f]{32}")

State = Literal["queued", "running", "finished", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job."""

    id: str
    """32 hexadecimal digits."""
    owner: str
    """Whose it is, as `Gatekeeper.owner` says."""
    config: dict[str, Any]
    """The `InpaintConfig`, URIs with whatever they carry."""
    options: dict[str, Any]
    """What the client asked for, beside places."""
    uploaded: bool
    """Whether the pictures came with the request; they and the results lie beside the record."""
    input: str
    masks: str
    output: str | None
    """The places, as clients are shown them."""
    model_version: str
    submitted: float
    """Seconds since 1970, as all times."""
    stored_bytes: int = 0
    """Bytes that an uploaded job takes; until it has ended an estimate, or what it took if more."""
    state: State = "queued"
    started: float | None = None
    ended: float | None = None
    attempt: int = 0
    """How often it was handed to Ray."""
    attempt_started: float = 0.0
    cancel_asked: bool = False
    losses: int = 0
    """Attempts in a row that died without one more picture tried."""
    lost_at: int = -1
    """Pictures that were tried when an attempt was last lost."""
    progress: dict[str, Any] | None = None
    """How far it was when it ended."""
    error: str | None = None
    """Why it failed; while it runs, why it is being ended."""

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("queued", "running")

    @property
    def submission(self) -> str:
        """What Ray knows the attempt by; a name is never used twice."""
        return f"{self.id}-{self.attempt}"

    @property
    def results(self) -> str:
        """Folder or URI of the results."""
        return str(self.config["output"])

    def fresh(self, progress: JobProgress | None) -> JobProgress | None:
        """Return progress if this job made it, not an earlier one with the same output."""
        begun = self.started if self.started is not None else float("inf")
        return progress if progress is not None and progress.updated >= begun else None

    def last_progress(self) -> JobProgress | None:
        """Return how far it was when it ended; None before, or if it never began."""
        return None if self.progress is None else JobProgress(**self.progress)


_RECORD = TypeAdapter(JobRecord)
_PROGRESS = TypeAdapter(JobProgress)


def read_config(record: JobRecord) -> InpaintConfig:
    """Build the configuration of a record."""
    given = dict(record.config)
    given["reconstruction"] = ReconstructionConfig(**given["reconstruction"])
    given["tracking"] = TrackingConfig(**given["tracking"])
    given["within"] = tuple(given["within"])
    return InpaintConfig(**given)


def write_record(folder: str, record: JobRecord) -> None:
    """Write a record below the jobs' folder, whole or not at all."""
    filesystem, path = open_filesystem(join(folder, record.id, FILE))
    write_atomically(filesystem, path, json.dumps(asdict(record)).encode())


def read_record(location: str) -> JobRecord:
    """Read the record of the job that has a folder of its own at `location`.

    Raises:
        OSError: it is missing or cannot be read now.
        ValueError: it is damaged.

    """
    filesystem, path = open_filesystem(location)
    return _RECORD.validate_json(read_bytes(filesystem, f"{path}/{FILE}"))


def has_record(location: str) -> bool:
    """Whether the folder at `location` is a job's, and not an upload that is none yet."""
    filesystem, path = open_filesystem(location)
    return exists(filesystem, f"{path}/{FILE}")


def running_progress(record: JobRecord) -> JobProgress | None:
    """Read how far a job says it is; None before it has, or where what it says is damaged.

    Raises:
        OSError: it cannot be read now.

    """
    try:
        progress = read_progress(record.results)
        checked = None if progress is None else _PROGRESS.validate_python(asdict(progress))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("nothing is known of how far job %s is (%s)", record.id, type(error))
        return None
    return record.fresh(checked)


def write_mistake(location: str, attempt: int, message: str) -> None:
    """Say beside a record why its job cannot be done, so that another attempt is in vain."""
    filesystem, path = open_filesystem(join(location, _MISTAKE.format(attempt)))
    write_atomically(filesystem, path, message.encode())


def read_mistake(location: str, attempt: int) -> str | None:
    """Read why an attempt found that the job cannot be done; None where it did not."""
    filesystem, path = open_filesystem(join(location, _MISTAKE.format(attempt)))
    return read_bytes(filesystem, path).decode() if exists(filesystem, path) else None


def job_folders(folder: str) -> list[str]:
    """List the folders of jobs, those that have no record yet among them."""
    filesystem, path = open_filesystem(folder)
    found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return [
        info.base_name
        for info in found
        if info.type == fs.FileType.Directory and ID.fullmatch(info.base_name)
    ]
