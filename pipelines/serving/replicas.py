"""Model replicas, seen from the ingress: they may die at any moment."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from ray.exceptions import ObjectLostError, RayActorError
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from isnet.config import InputError
from pipelines.serving.errors import ApiError
from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.regions import ModelLocation, RegionFill, RegionRequest

LOST = (RayActorError, ObjectLostError)
"""The replica is gone, or cannot be reached. Where there is none just now, a call waits for one."""

_MOST_TRIES = 8
"""A region that so many replicas died over may be what kills them; the others are spared."""

_BUSY_SECONDS = 2.0
"""A replica that does not say who it is within this time has others to answer first."""

_ALIVE_SECONDS = 60.0
"""Replicas of which nothing was heard for this long may be gone."""


class ReplicaSolver:
    """Fills regions with whichever model replica lives. A `Solver`.

    A region gives the same fill however often it is asked for, so a call that was lost with its
    replica is made again, a few times, within the time that the caller has.
    """

    def __init__(self, handle: DeploymentHandle, metrics: IngressMetrics) -> None:
        """Call the deployment behind `handle`."""
        self._handle = handle
        self._metrics = metrics
        self._described: dict[str, Any] | None = None
        self._heard = -math.inf

    async def solve(self, request: RegionRequest) -> RegionFill | InputError:
        """Fill a region, or say why that cannot be."""
        made: RegionFill | InputError = await self._call("solve", request)
        return made

    async def passes(self, request: RegionRequest) -> AsyncGenerator[RegionFill | InputError]:
        """Fill a region, and show it after each pass, each pass once; or say why it cannot be."""
        shown = 0
        with _explained():
            async for attempt in self._attempts():
                with attempt:
                    async with aclosing(self._stream(request)) as fills:
                        async for made in fills:
                            if isinstance(made, InputError):
                                yield made
                            elif made.passes > shown:
                                shown = made.passes
                                yield made

    async def _stream(self, request: RegionRequest) -> AsyncGenerator[RegionFill | InputError]:
        stream: Any = self._handle.options(stream=True).passes.remote(request)
        try:
            async for made in stream:
                self._heard = time.monotonic()
                yield made
        except (asyncio.CancelledError, GeneratorExit):
            stream.cancel()  # or the replica would go on for nobody
            raise

    async def describe(self) -> dict[str, Any]:
        """Ask a replica which model it serves; where all are busy, say what one said last.

        A busy endpoint is no dead one: whoever asks whether it is ready is not to wait in line.

        Raises:
            ApiError: nothing was heard of a replica for a minute, or since one was lost.

        """
        try:
            async with asyncio.timeout(_BUSY_SECONDS):
                self._described = await self._call("describe")
        except TimeoutError as error:
            if self._described is None or time.monotonic() - self._heard > _ALIVE_SECONDS:
                raise ApiError(
                    503, "unavailable", "no model replica answers yet; try again", retry_after=2
                ) from error
        return self._described

    async def location(self) -> ModelLocation:
        """Ask a replica where its model lies."""
        located: ModelLocation = await self._call("location")
        return located

    async def _call(self, method: str, *arguments: Any) -> Any:
        with _explained():
            async for attempt in self._attempts():
                with attempt:
                    response: Any = getattr(self._handle, method).remote(*arguments)
                    try:
                        result = await response
                    except asyncio.CancelledError:
                        response.cancel()  # or the replica would go on for nobody
                        raise
                    self._heard = time.monotonic()
                    return result
        raise AssertionError("attempts end with a result or an error")

    def _attempts(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(LOST),
            wait=wait_random_exponential(multiplier=0.05, max=0.5),
            stop=stop_after_attempt(_MOST_TRIES),
            before_sleep=self._count,
            reraise=True,
        )

    def _count(self, state: RetryCallState) -> None:
        self._heard = -math.inf  # until one answers again
        self._metrics.retried()


@contextmanager
def _explained() -> Iterator[None]:
    """Answer where trying again is in vain."""
    try:
        yield
    except LOST as error:
        raise ApiError(
            503,
            "unavailable",
            f"{_MOST_TRIES} model replicas in a row died over a part of this picture; it may be "
            "too much for them: try the strategy crop or resize",
            retry_after=5,
        ) from error
    except DeploymentUnavailableError as error:
        raise ApiError(
            503,
            "unavailable",
            "no model replica could be started; the log of the endpoint says why",
            retry_after=5,
        ) from error
