"""Calling model replicas, which may die at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ray.exceptions import ObjectLostError, RayActorError
from ray.serve.exceptions import (
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)
from ray.serve.handle import DeploymentHandle
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.regions import RegionFill, RegionRequest

_LOST = (RayActorError, ObjectLostError, DeploymentUnavailableError, ReplicaUnavailableError)
"""The replica is gone, cannot be reached, or there is none just now."""


class ReplicaSolver:
    """Fills regions with whichever model replica lives. A `Solver`.

    A region gives the same fill however often it is asked for, so a call that was lost with its
    replica is made again, until the caller's time is over.
    """

    def __init__(self, handle: DeploymentHandle, metrics: IngressMetrics) -> None:
        """Call the deployment behind `handle`."""
        self._handle = handle
        self._metrics = metrics

    async def solve(self, request: RegionRequest) -> RegionFill:
        """Fill a region."""
        filled: RegionFill = await self._call("solve", request)
        return filled

    async def passes(self, request: RegionRequest) -> AsyncGenerator[RegionFill]:
        """Fill a region, and show it after each pass, each pass once."""
        shown = 0
        async for attempt in self._attempts():
            with attempt:
                stream: Any = self._handle.options(stream=True).passes.remote(request)
                try:
                    async for fill in stream:
                        if fill.passes > shown:
                            shown = fill.passes
                            yield fill
                except (asyncio.CancelledError, GeneratorExit):
                    stream.cancel()  # or the replica would go on for nobody
                    raise

    async def describe(self) -> dict[str, Any]:
        """Ask a replica which model it serves."""
        described: dict[str, Any] = await self._call("describe")
        return described

    async def _call(self, method: str, *arguments: Any) -> Any:
        async for attempt in self._attempts():
            with attempt:
                response: Any = getattr(self._handle, method).remote(*arguments)
                try:
                    return await response
                except asyncio.CancelledError:
                    response.cancel()  # or the replica would go on for nobody
                    raise
        raise AssertionError("attempts end with a result or an error")

    def _attempts(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(_LOST),
            wait=wait_random_exponential(multiplier=0.05, max=0.5),
            before_sleep=self._count,
            reraise=True,
        )

    def _count(self, state: RetryCallState) -> None:
        self._metrics.retried()
