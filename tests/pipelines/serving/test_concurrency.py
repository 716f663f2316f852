"""Several coroutines as one, several streams as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from pipelines.serving.concurrency import gathered, merged

pytestmark = pytest.mark.anyio


class Streams:
    """Streams of numbers, and what became of them."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.made: list[str] = []

    async def stream(self, name: str, items: int = 3) -> AsyncGenerator[str]:
        self.open.add(name)
        try:
            for number in range(items):
                await asyncio.sleep(0)
                self.made.append(name)
                yield f"{name}{number}"
        finally:
            await asyncio.sleep(0)  # as streams from elsewhere do
            self.open.discard(name)

    async def broken(self) -> AsyncGenerator[str]:
        yield "x0"
        raise ValueError("broken")


@pytest.fixture
def streams() -> Streams:
    return Streams()


async def test_results_are_in_order() -> None:
    async def late(number: int) -> int:
        await asyncio.sleep(0.01 * (3 - number))
        return number

    assert await gathered([late(number) for number in range(3)]) == [0, 1, 2]
    assert await gathered([]) == []


async def test_what_one_raises_is_raised_and_the_others_are_cancelled() -> None:
    cancelled = asyncio.Event()

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def failing() -> None:
        await asyncio.sleep(0)
        raise KeyError("this one")

    with pytest.raises(KeyError, match="this one"):
        await gathered([waiting(), failing()])
    assert cancelled.is_set()


async def test_a_timeout_is_not_mistaken_for_a_failure() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await gathered([asyncio.sleep(10), asyncio.sleep(10)])


async def test_every_item_of_every_stream_comes_once_and_in_its_order(streams: Streams) -> None:
    several = [streams.stream(name, items) for name, items in (("a", 3), ("b", 0), ("c", 2))]
    found = [item async for item in merged(several, at_once=2)]
    assert sorted(found) == [(0, "a0"), (0, "a1"), (0, "a2"), (2, "c0"), (2, "c1")]
    for index in (0, 2):
        own = [item for place, item in found if place == index]
        assert own == sorted(own)
    assert not streams.open


async def test_no_streams_are_no_items() -> None:
    assert [item async for item in merged([], at_once=1)] == []


@pytest.mark.parametrize("at_once", [1, 2, 9])
async def test_only_so_many_are_read_at_once(streams: Streams, at_once: int) -> None:
    most = 0
    async for _ in merged([streams.stream(name) for name in "abcd"], at_once=at_once):
        most = max(most, len(streams.open))
    assert most == min(at_once, 4)


async def test_streams_are_not_read_ahead(streams: Streams) -> None:
    taken = 0
    several = [streams.stream(name, 20) for name in "ab"]
    async for _ in merged(several, at_once=2):
        taken += 1
        await asyncio.sleep(0.001)
        assert len(streams.made) <= taken + 2


async def test_leaving_closes_every_stream_at_once(streams: Streams) -> None:
    several = [streams.stream(name) for name in "abc"]
    async with aclosing(merged(several, at_once=2)) as items:
        await anext(items)
        assert streams.open == {"a", "b"}
    assert not streams.open


async def test_a_cancelled_reader_closes_every_stream(streams: Streams) -> None:
    async def read() -> None:
        async with aclosing(merged([streams.stream("a", 9)], at_once=1)) as items:
            async for _ in items:
                await asyncio.sleep(10)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    assert streams.open == {"a"}
    task.cancel()
    await asyncio.wait([task])
    assert not streams.open


async def test_what_a_stream_raises_is_raised_and_the_others_are_closed(streams: Streams) -> None:
    with pytest.raises(ValueError, match="broken"):
        async for _ in merged([streams.stream("a", 99), streams.broken()], at_once=2):
            pass
    assert not streams.open
