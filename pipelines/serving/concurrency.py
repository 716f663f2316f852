"""Several asynchronous things at once: as one result, or as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

Item = TypeVar("Item")


async def gathered(coroutines: Sequence[Coroutine[Any, Any, Item]]) -> list[Item]:
    """Await all; where one fails, cancel the others, and raise what it raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def merged(
    streams: Sequence[AsyncGenerator[Item]], *, at_once: int
) -> AsyncIterator[tuple[int, Item]]:
    """Yield what streams yield, as it comes, with each stream's index.

    Args:
        streams: closed when they end, or when this iteration does.
        at_once: how many are read at the same time; the others wait.

    """
    arrived: asyncio.Queue[tuple[int, Item] | None] = asyncio.Queue()
    places = asyncio.Semaphore(at_once)

    async def read(index: int, stream: AsyncGenerator[Item]) -> None:
        async with places, aclosing(stream):
            async for item in stream:
                arrived.put_nowait((index, item))

    async def read_all() -> None:
        try:
            await gathered([read(index, stream) for index, stream in enumerate(streams)])
        finally:
            arrived.put_nowait(None)

    reader = asyncio.create_task(read_all())
    try:
        while (item := await arrived.get()) is not None:
            yield item
        await reader
    finally:
        reader.cancel()
