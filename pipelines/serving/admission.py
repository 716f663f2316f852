"""How much is let in at once: requests in all, requests of a client, pixels that are decoded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from pipelines.serving.errors import ApiError
from pipelines.serving.metrics import IngressMetrics


class Admission:
    """Counts requests inside an ingress replica, and refuses those that are too many."""

    def __init__(
        self,
        *,
        most: int,
        most_per_client: int,
        metrics: IngressMetrics | None = None,
        what: str = "requests",
    ) -> None:
        """Start empty.

        Args:
            most: places.
            most_per_client: places of one client.
            metrics: where the places that are taken are noted.
            what: what is counted, in messages; the limits are called `max_` and this.

        """
        self._most = most
        self._most_per_client = most_per_client
        self._metrics = metrics
        self._what = what
        self._clients: Counter[str] = Counter()

    @contextmanager
    def enter(self, client: str) -> Iterator[None]:
        """Hold a place for a request.

        Raises:
            ApiError: 429 where the client has its share, 503 where no place is left.

        """
        if self._clients.total() >= self._most:
            raise ApiError(
                503,
                "overloaded",
                f"{self._most} {self._what} are being answered; try again",
                limit=(f"max_{self._what}", self._most),
                retry_after=1,
            )
        if self._clients[client] >= self._most_per_client:
            raise ApiError(
                429,
                "too_many_requests",
                f"{self._most_per_client} {self._what} of yours are being answered; wait for one",
                limit=(f"max_{self._what}_per_client", self._most_per_client),
                retry_after=1,
            )
        self._change(client, 1)
        try:
            yield
        finally:
            self._change(client, -1)

    def _change(self, client: str, by: int) -> None:
        self._clients[client] += by
        self._clients += Counter()  # forgets clients without requests
        if self._metrics is not None:
            self._metrics.in_flight.set(self._clients.total())


class PixelBudget:
    """Bounds the memory of decoded pictures: who comes when it is spent waits."""

    def __init__(self, pixels: int) -> None:
        """Allow so many pixels at once; a single picture always fits."""
        self._free = pixels
        self._most = pixels
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self, pixels: int) -> AsyncIterator[None]:
        """Hold pixels for as long as a picture of theirs is decoded."""
        wanted = min(pixels, self._most)
        async with self._turn:  # first come, first served: small ones do not overtake a large one
            while self._free < wanted:
                self._freed.clear()
                await self._freed.wait()
            self._free -= wanted
        try:
            yield
        finally:  # without await, so that no further cancellation keeps pixels back
            self._free += wanted
            self._freed.set()
