"""Several asynchronous things at once: as one result, or as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from anyio import create_memory_object_stream

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
) -> AsyncGenerator[tuple[int, Item]]:
    """Yield what streams yield, as it comes, with each stream's index.

    Args:
        streams: closed when they end, or when this iteration does. A stream is not asked for its
            next item before the last one was taken.
        at_once: how many are read at the same time; the others wait.

    """
    sender, receiver = create_memory_object_stream[tuple[int, Item]]()
    places = asyncio.Semaphore(at_once)

    async def read(index: int, stream: AsyncGenerator[Item]) -> None:
        async with places, aclosing(stream):
            async for item in stream:
                await sender.send((index, item))

    async def read_all() -> None:
        with sender:  # closed at the end, which ends the loop below
            await gathered([read(index, stream) for index, stream in enumerate(streams)])

    with sender, receiver:
        reader = asyncio.create_task(read_all())
        try:
            async for arrived in receiver:
                yield arrived
            await reader
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
