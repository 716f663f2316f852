"""The deployment that keeps the jobs: one replica, which finds them in storage when it starts."""

from __future__ import annotations

import asyncio
from typing import Any

from ray import serve
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from pipelines.serving.config import EndpointSettings
from pipelines.serving.errors import ApiError
from pipelines.serving.jobs.launcher import RayLauncher
from pipelines.serving.jobs.office import JobOffice
from pipelines.serving.jobs.record import JobRecord
from pipelines.serving.jobs.uploads import storage_failed
from pipelines.serving.replica_port import keep_to_loopback
from pipelines.serving.replicas import LOST

_MOST_TRIES = 8

_ANSWER_SECONDS = 60.0
"""Of all tries: another replica takes seconds to start."""


class JobsReplica:
    """A `JobOffice` whose refusals are answers, so that they cross from process to process."""

    def __init__(self, settings: EndpointSettings) -> None:
        """Take up the jobs that there are."""
        keep_to_loopback()
        self._office = JobOffice(settings, RayLauncher())
        self._office.start()

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the office; return what it returns, or the `ApiError` that it raises.

        Storage that cannot be used now is a refusal, too.
        """
        try:
            return await getattr(self._office, method)(*arguments)
        except ApiError as refusal:
            return refusal
        except OSError as error:
            return storage_failed(error)

    def check_health(self) -> None:
        """Fail where jobs are no longer looked after; Serve then starts another replica."""
        if not self._office.healthy:
            raise RuntimeError("jobs are no longer looked after")


class ReplicaBoard:
    """The jobs, seen from the ingress. A `JobBoard`.

    Every call can be made twice: a job is known by an id that the ingress gave it.
    """

    def __init__(self, handle: DeploymentHandle) -> None:
        """Call the deployment behind `handle`."""
        self._handle = handle

    async def require_room(self, owner: str, size: int) -> None:
        """Refuse a client that has its share, before it sends so many bytes."""
        await self._call("require_room", owner, size)

    async def create(self, record: JobRecord) -> dict[str, Any]:
        """Take a job; the same one twice is one."""
        job: dict[str, Any] = await self._call("create", record)
        return job

    async def jobs(self, owner: str) -> list[dict[str, Any]]:
        """Tell of a client's jobs, newest first."""
        jobs: list[dict[str, Any]] = await self._call("jobs", owner)
        return jobs

    async def job(self, owner: str, job: str) -> dict[str, Any]:
        """Tell of one."""
        described: dict[str, Any] = await self._call("job", owner, job)
        return described

    async def record(self, owner: str, job: str) -> JobRecord:
        """Return a job's record, to find its results by."""
        record: JobRecord = await self._call("record", owner, job)
        return record

    async def cancel(self, owner: str, job: str) -> tuple[dict[str, Any], bool]:
        """End a job; return it, and whether it had not ended yet."""
        ended: tuple[dict[str, Any], bool] = await self._call("cancel", owner, job)
        return ended

    async def _call(self, method: str, *arguments: Any) -> Any:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                result = await self._try(method, *arguments)
        except (*LOST, DeploymentUnavailableError, TimeoutError) as error:
            raise ApiError(
                503, "unavailable", "jobs cannot be looked after now; try again", retry_after=5
            ) from error
        if isinstance(result, ApiError):
            raise result
        return result

    async def _try(self, method: str, *arguments: Any) -> Any:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(LOST),
            wait=wait_random_exponential(multiplier=0.05, max=0.5),
            stop=stop_after_attempt(_MOST_TRIES),
            reraise=True,
        ):
            with attempt:
                return await self._handle.call.remote(method, *arguments)
        raise AssertionError("attempts end with a result or an error")


JobsDeployment = serve.deployment(name="Jobs")(JobsReplica)
