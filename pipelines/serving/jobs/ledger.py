"""All jobs that there are: in memory, and in storage, where another process finds them again."""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from pipelines.serving.config import EndpointSettings
from pipelines.serving.errors import ApiError
from pipelines.serving.jobs.record import (
    JobRecord,
    has_record,
    job_folders,
    read_record,
    write_record,
)
from pipelines.storage import is_uri, join, open_filesystem

_log = logging.getLogger("ray.serve")

_DAY = 86_400.0

_RETRY_SECONDS = 60.0

_FORGOTTEN_UPLOAD_SECONDS = _DAY
"""Uploads without a record, whose ingress died, are deleted when they are as old."""


class Ledger:
    """Keeps the records; threads may share it. There is one of them for a folder."""

    def __init__(self, settings: EndpointSettings) -> None:
        """Read what is there."""
        assert settings.jobs_folder is not None
        self._folder = settings.jobs_folder
        self._settings = settings
        self._lock = threading.RLock()
        self._records: dict[str, JobRecord] = {}
        self._damaged: set[str] = set()
        self.discover()

    def discover(self) -> None:
        """Take up the jobs in storage that are not known yet.

        Another ledger may have taken them meanwhile: a replica that is replaced answers for a
        while beside the next one. A damaged record is warned of, once, and left where it is.
        """
        for name in job_folders(self._folder):
            if name in self._records or name in self._damaged:
                continue
            try:
                if has_record(join(self._folder, name)):
                    self._take_up(name)
            except ValueError as error:
                self._damaged.add(name)
                _log.warning(
                    "the record of job %s is damaged, and left alone (%s)", name, type(error)
                )
            except OSError:
                _log.warning("the record of job %s cannot be read now", name, exc_info=True)

    def create(self, record: JobRecord) -> JobRecord:
        """Take a job; one that was taken already is returned as it is now.

        Raises:
            ApiError: the client has its share, or another job writes to the same place.

        """
        with self._lock:
            known = self._records.get(record.id)
            if known is not None and known.owner == record.owner:
                return known
            self.require_room(record.owner, record.stored_bytes)
            self._require_own_output(record)
            return self._keep(record)

    def require_room(self, owner: str, size: int) -> None:
        """Refuse another job, or so many bytes more, to a client that has its share."""
        settings = self._settings
        mine = self.of(owner)
        most = settings.max_jobs_per_client
        if sum(record.active for record in mine) >= most:
            raise ApiError(
                429,
                "too_many_jobs",
                f"{most} jobs of yours wait or run; wait for one, or cancel one",
                limit=("max_jobs_per_client", most),
                retry_after=_RETRY_SECONDS,
            )
        most = settings.max_stored_bytes_per_client
        stored = sum(record.stored_bytes for record in mine)
        if stored + size > most:
            raise ApiError(
                429,
                "too_much_stored",
                f"your uploaded jobs keep {stored:,} bytes and this one may need {size:,}; the "
                f"limit is {most:,}: send fewer pictures, or wait until old jobs are deleted, "
                f"{settings.job_days:g} days after their end",
                limit=("max_stored_bytes_per_client", most),
                retry_after=_RETRY_SECONDS,
            )

    def of(self, owner: str) -> list[JobRecord]:
        """List a client's jobs, newest first."""
        with self._lock:
            mine = [record for record in self._records.values() if record.owner == owner]
        return sorted(mine, key=lambda record: (record.submitted, record.id), reverse=True)

    def find(self, owner: str, job: str) -> JobRecord:
        """Find a client's job; one of another client's is as little there as none."""
        record = self._records.get(job)
        if record is None or record.owner != owner:
            raise ApiError(404, "no_such_job", "no job of yours has this id; see /v1/jobs")
        return record

    def active(self) -> list[JobRecord]:
        """List all jobs that wait or run, oldest first."""
        with self._lock:
            active = [record for record in self._records.values() if record.active]
        return sorted(active, key=lambda record: (record.submitted, record.id))

    def all(self) -> list[JobRecord]:
        """List all jobs."""
        with self._lock:
            return list(self._records.values())

    def change(self, job: str, **changes: Any) -> JobRecord:
        """Change a record, in storage first."""
        with self._lock:
            return self._keep(replace(self._records[job], **changes))

    def advance(self, seen: JobRecord, **changes: Any) -> JobRecord | None:
        """Change a record as `change` does; None, and no change, where it is not as seen any more.

        Whoever looked at a job and decides on it does not undo what came between, as a wish to
        cancel it.
        """
        with self._lock:
            return self.change(seen.id, **changes) if self._records.get(seen.id) == seen else None

    def cancel(self, record: JobRecord) -> JobRecord:
        """Note that a job is to end: at once where it waits."""
        with self._lock:
            now = self._records[record.id]
            if now.state == "queued":
                return self.change(now.id, cancel_asked=True, state="cancelled", ended=time.time())
            return self.change(now.id, cancel_asked=True) if now.active else now

    def expire(self) -> None:
        """Delete jobs that ended long ago, and uploads that became none."""
        oldest = time.time() - self._settings.job_days * _DAY
        for record in self.all():
            if record.ended is not None and record.ended < oldest:
                with self._lock:
                    del self._records[record.id]
                delete_job(self._folder, record.id)
        for name in job_folders(self._folder):
            if name not in self._records and self._is_forgotten(name):
                delete_job(self._folder, name)

    def note_stored(self, record: JobRecord) -> JobRecord:
        """Measure what an uploaded job that runs has stored; book it where it is more than thought.

        A job by which its client's jobs pass what they may store is marked as one to be ended.
        """
        stored = self.measure(record)
        if stored <= record.stored_bytes:
            return record
        most = self._settings.max_stored_bytes_per_client
        others = sum(other.stored_bytes for other in self.of(record.owner) if other.id != record.id)
        error = None
        if others + stored > most:
            error = (
                f"its upload and results took {stored:,} bytes, and your other jobs keep "
                f"{others:,}; the limit max_stored_bytes_per_client is {most:,}: send fewer "
                "pictures, or choose a format that takes less"
            )
        return self.advance(record, stored_bytes=stored, error=error) or record

    def measure(self, record: JobRecord) -> int:
        """Count the bytes that lie in an uploaded job's folder."""
        return sum(info.size or 0 for info in _everything(join(self._folder, record.id)))

    def _take_up(self, name: str) -> None:
        record = read_record(join(self._folder, name))
        with self._lock:
            self._records.setdefault(name, record)

    def _is_forgotten(self, name: str) -> bool:
        if has_record(join(self._folder, name)):
            return False
        filesystem, path = open_filesystem(join(self._folder, name))
        # The folder itself, too: an upload may have only just begun.
        found = [filesystem.get_file_info(path), *_everything(join(self._folder, name))]
        # Folders of object stores have no times: an upload of which nothing else is seen goes on.
        newest = max((info.mtime_ns for info in found if info.mtime_ns), default=math.inf) / 1e9
        return newest < time.time() - _FORGOTTEN_UPLOAD_SECONDS

    def _require_own_output(self, record: JobRecord) -> None:
        mine = _place(record.results)
        for other in self.active():
            theirs = _place(other.results)
            shared = min(len(mine), len(theirs))
            if mine[:shared] == theirs[:shared]:
                raise ApiError(
                    422,
                    "output_in_use",
                    f"another job writes to {record.output}, to a folder in it or around it; wait "
                    "for its end, or name another output",
                )

    def _keep(self, record: JobRecord) -> JobRecord:
        write_record(self._folder, record)
        self._records[record.id] = record
        return record


def _place(location: str) -> tuple[str, ...]:
    """Take a path or URI into the parts of a place, which is one however it is spelled.

    Options aside: buckets of one name at two stores are held for one.
    """
    parsed = urlsplit(location.partition("?")[0]) if is_uri(location) else None
    start = (
        ("", "") if parsed is None else (parsed.scheme.lower(), parsed.netloc.rpartition("@")[2])
    )
    path = location if parsed is None else unquote(parsed.path)
    return (*start, *(part for part in path.split("/") if part))


def delete_job(folder: str, job: str) -> None:
    """Delete a job's folder, if it has one."""
    filesystem, path = open_filesystem(join(folder, job))
    # An object store may list a folder that is gone, and not find it.
    with suppress(FileNotFoundError):
        filesystem.delete_dir(path)


def _everything(location: str) -> list[fs.FileInfo]:
    filesystem, path = open_filesystem(location)
    selector = fs.FileSelector(path, allow_not_found=True, recursive=True)
    found: list[fs.FileInfo] = filesystem.get_file_info(selector)
    return found
