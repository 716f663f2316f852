"""A stream of passes as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from pipelines.serving.errors import ApiError, internal_error
from pipelines.serving.service import Answer, PassShown, as_data_url

Item = PassShown | Answer


class EventStream:
    """Items of a generator as events. A task of its own runs the generator.

    The generator's time limit and its clean-up belong to one task, while the request's handler
    waits for the first item and another task sends the others.
    """

    def __init__(self, items: AsyncGenerator[Item]) -> None:
        """Start the generator."""
        self._arrived: asyncio.Queue[Item | BaseException | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(items))

    async def begin(self) -> AsyncIterator[bytes]:
        """Wait for the first item; return the events from it on.

        Raises:
            ApiError: what kept the first item from being made.

        """
        try:
            first = await self._arrived.get()
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if isinstance(first, BaseException):
            raise first
        return self._events(first)

    async def _run(self, items: AsyncGenerator[Item]) -> None:
        try:
            async for item in items:
                self._arrived.put_nowait(item)
        except Exception as error:
            self._arrived.put_nowait(error)
            if not isinstance(error, ApiError):
                raise
        finally:
            await items.aclose()
            self._arrived.put_nowait(None)

    async def _events(self, item: Item | BaseException | None) -> AsyncIterator[bytes]:
        try:
            while item is not None:
                yield _event(item)
                item = await self._arrived.get()
        finally:
            self._task.cancel()


def _event(item: Item | BaseException) -> bytes:
    if isinstance(item, PassShown):
        return _written("pass", _of_pass(item))
    if isinstance(item, Answer):
        return _written("result", _of_answer(item))
    if isinstance(item, ApiError):
        return _written("error", item.body())
    return _written("error", internal_error().body())


def _of_pass(shown: PassShown) -> dict[str, Any]:
    return {
        "pass": shown.number,
        "region": shown.region,
        "regions": shown.regions,
        "hole_ratio": round(shown.hole_ratio, 6),
        "image": as_data_url(shown.jpeg, "image/jpeg"),
    }


def _of_answer(answer: Answer) -> dict[str, Any]:
    return {
        "image": as_data_url(answer.encoded.data, answer.encoded.media_type),
        "passes": answer.passes,
        "hole_ratio": round(answer.hole_ratio, 6),
        "model_version": answer.model_version,
        "queue_ms": round(answer.queue_seconds * 1000, 1),
        "model_ms": round(answer.model_seconds * 1000, 1),
    }


def _written(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
