"""A stream of passes as server-sent events."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pipelines.serving.errors import ApiError, internal
from pipelines.serving.schema import EVENTS
from pipelines.serving.service import Answer, PassShown

Item = PassShown | Answer
Emit = Callable[[Item], Awaitable[None]]

_AHEAD = 2
"""Items that wait to be taken; after that the work waits. Serve takes them as they come."""

_log = logging.getLogger("ray.serve")


class EventStream(StreamingResponse):
    """What a producer emits, as events. A task of its own runs the producer.

    Its time limit and its clean-up belong to one task, while the request's handler waits for the
    first item and another task sends the others.
    """

    def __init__(self, produce: Callable[[Emit], Awaitable[None]]) -> None:
        """Start the producer."""
        super().__init__(self._events(), media_type=EVENTS, headers={"Cache-Control": "no-store"})
        self._arrived: asyncio.Queue[Item | Exception | None] = asyncio.Queue(_AHEAD)
        self._first: Item | Exception | None = None
        self._task = asyncio.create_task(self._run(produce))

    async def begin(self) -> Self:
        """Wait for the first item.

        Raises:
            ApiError: what kept it from being made.

        """
        try:
            self._first = await self._arrived.get()
        except asyncio.CancelledError:
            await self._stop()
            raise
        if isinstance(self._first, Exception):
            raise self._first
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; whatever ends that, a client that leaves for one, ends the work."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stop()

    async def _run(self, produce: Callable[[Emit], Awaitable[None]]) -> None:
        end: Exception | None = None
        try:
            await produce(self._arrived.put)
        except Exception as error:  # noqa: BLE001 (it is told to the client)
            if not isinstance(error, ApiError):
                _log.exception("a stream of passes failed")
            end = error
        await self._arrived.put(end)

    async def _events(self) -> AsyncIterator[bytes]:
        item = self._first
        while item is not None:
            yield await asyncio.to_thread(_event, item)
            item = None if isinstance(item, Exception) else await self._arrived.get()

    async def _stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


def _event(item: Item | Exception) -> bytes:
    if isinstance(item, PassShown):
        return _written("pass", _of_pass(item))
    if isinstance(item, Answer):
        return _written("result", _of_answer(item))
    return _written("error", (item if isinstance(item, ApiError) else internal()).body())


def _of_pass(shown: PassShown) -> dict[str, Any]:
    return {
        "pass": shown.number,
        "region": shown.region,
        "regions": shown.regions,
        "hole_ratio": round(shown.hole_ratio, 6),
        "image": _as_data_url(shown.jpeg, "image/jpeg"),
    }


def _of_answer(answer: Answer) -> dict[str, Any]:
    return {
        "image": _as_data_url(answer.encoded.data, answer.encoded.media_type),
        "passes": answer.passes,
        "hole_ratio": round(answer.hole_ratio, 6),
        "model_version": answer.model_version,
        "queue_ms": round(answer.queue_seconds * 1000, 1),
        "model_ms": round(answer.model_seconds * 1000, 1),
    }


def _written(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _as_data_url(encoded: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(encoded).decode()}"
