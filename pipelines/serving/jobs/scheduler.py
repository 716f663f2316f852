"""Which job runs next, and what became of those that run."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from pipelines.bulk.progress import JobProgress
from pipelines.serving.config import EndpointSettings
from pipelines.serving.jobs.launcher import Launcher, Submission
from pipelines.serving.jobs.ledger import Ledger
from pipelines.serving.jobs.record import JobRecord, read_mistake, running_progress
from pipelines.storage import join

_log = logging.getLogger("ray.serve")

MOST_LOSSES = 3
"""A job that so many attempts in a row died over, with nothing more done, is given up."""

_EXPIRY_SECONDS = 600.0
_DISCOVERY_SECONDS = 10.0
_MEASURE_SECONDS = 10.0


class Scheduler:
    """Moves jobs on, a step at a time; every step can be the first one of a new process."""

    def __init__(self, ledger: Ledger, launcher: Launcher, settings: EndpointSettings) -> None:
        """Take the jobs of `ledger`, and run them through `launcher`."""
        assert settings.jobs_folder is not None
        self._ledger = ledger
        self._launcher = launcher
        self._folder = settings.jobs_folder
        self._most = settings.max_running_jobs
        self._expiry = _Turn(_EXPIRY_SECONDS)
        self._discovery = _Turn(_DISCOVERY_SECONDS)
        self._measuring: dict[str, _Turn] = {}

    def step(self) -> bool:
        """Look after jobs that run, start others in their place, delete old ones.

        Returns:
            Whether all went well. What did not is logged and comes again in the next step; it
            keeps nothing else from going on.

        """
        well = not self._discovery.has_come() or _attempt("jobs", self._ledger.discover)
        for record in self._ledger.active():
            if record.state == "running":
                well &= _attempt(record.id, self._follow, record)
        well &= self._start()
        if self._expiry.has_come():
            well &= _attempt("old jobs", self._ledger.expire)
        return well

    def _start(self) -> bool:
        """Start what may run; say whether all of it could be."""
        failed: set[str] = set()
        while True:
            jobs = [record for record in self._ledger.all() if record.id not in failed]
            following = next_job(jobs, self._most)
            if following is None:
                return not failed
            if not _attempt(following.id, self._submit, following):
                failed.add(following.id)

    def _follow(self, record: JobRecord) -> None:
        if record.uploaded and record.error is None and self._is_measured_now(record.id):
            record = self._ledger.note_stored(record)
        if record.cancel_asked or record.error is not None:
            self._launcher.stop(record.submission)
        submission = self._launcher.find(record.submission)
        if submission.state == "running":
            return
        progress = running_progress(record)
        mistake = read_mistake(join(self._folder, record.id), record.attempt)
        ending = settle(record, submission, progress, mistake)
        if ending is None:
            _log.warning("job %s was lost (%s); it goes on", record.id, submission.message)
            self._submit(record, **count_loss(record, submission, progress))
        else:
            self._end(record, progress, **ending)

    def _is_measured_now(self, job: str) -> bool:
        return self._measuring.setdefault(job, _Turn(_MEASURE_SECONDS)).has_come()

    def _submit(self, record: JobRecord, **changes: Any) -> None:
        """Note an attempt, then begin it: one that was noted only is begun again as the next."""
        now = time.time()
        begun = self._ledger.advance(
            record,
            state="running",
            started=record.started or now,
            attempt=record.attempt + 1,
            attempt_started=now,
            **changes,
        )
        if begun is not None:
            self._launcher.submit(begun.submission, join(self._folder, begun.id))

    def _end(self, record: JobRecord, progress: JobProgress | None, **changes: Any) -> None:
        stored = self._ledger.measure(record) if record.uploaded else 0
        kept = None if progress is None else asdict(progress)
        self._measuring.pop(record.id, None)
        self._ledger.advance(
            record, ended=time.time(), progress=kept, stored_bytes=stored, **changes
        )


class _Turn:
    """What is done at once, and then no more often than every so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = -math.inf

    def has_come(self) -> bool:
        """Whether it is time; asking counts as doing."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


def _attempt(what: str, action: Callable[..., None], *arguments: Any) -> bool:
    """Do something for one of many; say whether it went well.

    Storage, Ray's dashboard and what others wrote fail in many ways, and no way in which one job
    does may end the looking after all.
    """
    try:
        action(*arguments)
    except Exception:  # noqa: BLE001 (whatever it is, the others go on)
        _log.exception("%s cannot be looked after; trying again", what)
        return False
    return True


def next_job(records: Sequence[JobRecord], most: int) -> JobRecord | None:
    """Choose what to start: of the client with the fewest running jobs, then who waited longest.

    A client that has asked for many jobs does not keep the others waiting for all of them.
    """
    running = Counter(record.owner for record in records if record.state == "running")
    if running.total() >= most:
        return None
    served: dict[str, float] = {}
    for record in records:
        served[record.owner] = max(served.get(record.owner, 0.0), record.started or 0.0)
    return min(
        (record for record in records if record.state == "queued"),
        key=lambda job: (running[job.owner], served[job.owner], job.submitted, job.id),
        default=None,
    )


def settle(
    record: JobRecord,
    submission: Submission,
    progress: JobProgress | None,
    mistake: str | None,
) -> dict[str, Any] | None:
    """Say how a job ended whose attempt no longer runs; None where it is to go on.

    Args:
        record: the job.
        submission: what Ray says.
        progress: what the job itself said last.
        mistake: why it cannot be done, if its driver found so.

    """
    recent = progress is not None and progress.updated >= record.attempt_started
    said = progress.state if progress is not None and recent else None
    if submission.state == "succeeded" or said == "finished":
        return _ended("finished")
    if record.error is not None:
        return _ended("failed", record.error)
    if record.cancel_asked or submission.state == "stopped":
        return _ended("cancelled")
    if mistake is not None:
        return _ended("failed", mistake)
    # Where Ray as a whole went away, that is what the job failed from.
    if progress is not None and said == "failed" and submission.state == "failed":
        return _ended("failed", progress.error)
    if said == "stopped":
        return _ended("failed", "more pictures failed than max_failures allows")
    losses = count_loss(record, submission, progress)["losses"]
    if losses >= MOST_LOSSES:
        return _ended("failed", f"it died {losses} times over the same pictures; the log says why")
    return None


def count_loss(
    record: JobRecord, submission: Submission, progress: JobProgress | None
) -> dict[str, int]:
    """Count an attempt that died; one that ended with the whole of Ray is not the job's doing."""
    tried = 0 if progress is None else progress.done + progress.failed
    before = record.losses if tried == record.lost_at else 0
    return {"losses": before + (submission.state == "failed"), "lost_at": tried}


def _ended(
    state: Literal["finished", "failed", "cancelled"], error: str | None = None
) -> dict[str, Any]:
    return {"state": state, "error": error}
