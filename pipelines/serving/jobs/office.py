"""Whoever keeps the jobs: takes them, tells of them, ends them, and moves them on in a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any, Protocol

from pipelines.serving.config import EndpointSettings
from pipelines.serving.jobs.launcher import Launcher
from pipelines.serving.jobs.ledger import Ledger
from pipelines.serving.jobs.record import JobRecord, running_progress
from pipelines.serving.jobs.scheduler import Scheduler
from pipelines.serving.jobs.view import describe

_log = logging.getLogger("ray.serve")

_STEP_SECONDS = 1.0
_TROUBLE_SECONDS = 5.0
"""Between two steps, where something failed in one."""


class JobBoard(Protocol):
    """Whoever keeps the jobs: here, or in a replica elsewhere. All raise `ApiError`."""

    async def require_room(self, owner: str, size: int) -> None:
        """Refuse a client that has its share, before it sends so many bytes."""

    async def create(self, record: JobRecord) -> dict[str, Any]:
        """Take a job; the same one twice is one."""

    async def jobs(self, owner: str) -> list[dict[str, Any]]:
        """Tell of a client's jobs, newest first."""

    async def job(self, owner: str, job: str) -> dict[str, Any]:
        """Tell of one."""

    async def record(self, owner: str, job: str) -> JobRecord:
        """Return a job's record, to find its results by."""

    async def cancel(self, owner: str, job: str) -> tuple[dict[str, Any], bool]:
        """End a job; return it, and whether it had not ended yet."""


class JobOffice:
    """Keeps the jobs of one folder. A `JobBoard`."""

    def __init__(self, settings: EndpointSettings, launcher: Launcher) -> None:
        """Read the jobs that there are; `start` moves them on."""
        self._ledger = Ledger(settings)
        self._scheduler = Scheduler(self._ledger, launcher, settings)
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin to move jobs on, until the process ends."""
        self._thread.start()

    def stop(self) -> None:
        """Move no job on any more; what runs goes on."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    @property
    def healthy(self) -> bool:
        """Whether jobs are moved on."""
        return self._thread.is_alive()

    async def require_room(self, owner: str, size: int) -> None:
        """Refuse a client that has its share, before it sends so many bytes."""
        self._ledger.require_room(owner, size)

    async def create(self, record: JobRecord) -> dict[str, Any]:
        """Take a job; the same one twice is one."""
        kept = await asyncio.to_thread(self._ledger.create, record)
        self._wake.set()
        return await self._show(kept, failures=True)

    async def jobs(self, owner: str) -> list[dict[str, Any]]:
        """Tell of a client's jobs, newest first."""
        return [await self._show(record, failures=False) for record in self._ledger.of(owner)]

    async def job(self, owner: str, job: str) -> dict[str, Any]:
        """Tell of one."""
        return await self._show(self._ledger.find(owner, job), failures=True)

    async def record(self, owner: str, job: str) -> JobRecord:
        """Return a job's record, to find its results by."""
        return self._ledger.find(owner, job)

    async def cancel(self, owner: str, job: str) -> tuple[dict[str, Any], bool]:
        """End a job; return it, and whether it had not ended yet."""
        record = self._ledger.find(owner, job)
        cancelled = await asyncio.to_thread(self._ledger.cancel, record)
        self._wake.set()
        return await self._show(cancelled, failures=True), record.active

    async def _show(self, record: JobRecord, *, failures: bool) -> dict[str, Any]:
        progress = record.last_progress()
        if record.state == "running":
            try:
                progress = await asyncio.to_thread(running_progress, record)
            except OSError:
                _log.warning("the results of job %s cannot be read", record.id, exc_info=True)
        return describe(record, progress, failures=failures)

    def _run(self) -> None:
        while not self._closed:
            went_well = self._scheduler.step()
            self._wake.wait(_STEP_SECONDS if went_well else _TROUBLE_SECONDS)
            self._wake.clear()
