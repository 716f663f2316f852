"""Thousands of requests of many kinds, after which an endpoint holds no more memory than before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from statistics import median

import httpx
import psutil
import pytest

from tests.pipelines.serving.endpoint_process import EndpointProcess
from tests.pipelines.serving.traffic import TIMEOUT, Sample, sample, samples

pytestmark = [pytest.mark.extended, pytest.mark.ray]

REQUESTS = 2400
CLIENTS = 8
IMPATIENT_SECONDS = 0.03
MOST_GROWTH = 24 * 2**20
"""Bytes of a replica, over the last two thirds. Buffers that are reused still grow by a third of
this; what is kept of each request would be far more: a fill of 80x80 pixels has 77 kB."""

Request = Callable[[httpx.AsyncClient, Sample], Awaitable[object]]


async def _filled(http: httpx.AsyncClient, picture: Sample) -> object:
    answer = await http.request(**picture.request())
    picture.require_kept(answer.content)
    return answer.status_code


async def _streamed(http: httpx.AsyncClient, picture: Sample) -> object:
    async with http.stream(**picture.request("/v1/inpaint/stream")) as answer:
        assert "event: result" in (await answer.aread()).decode()
        return answer.status_code


async def _left_after_the_first_pass(http: httpx.AsyncClient, picture: Sample) -> object:
    async with http.stream(**picture.request("/v1/inpaint/stream")) as answer:
        assert await anext(answer.aiter_lines()) == "event: pass"
        return "left"


async def _of_two_sizes(http: httpx.AsyncClient, picture: Sample) -> object:
    request = picture.request()
    request["files"]["mask"] = ("mask.png", sample(7, 7).mask)
    return (await http.request(**request)).status_code


async def _cut_short(http: httpx.AsyncClient, picture: Sample) -> object:
    request = picture.request()
    request["files"]["image"] = ("image.png", picture.image[: len(picture.image) // 2])
    return (await http.request(**request)).status_code


async def _impatient(http: httpx.AsyncClient, picture: Sample) -> object:
    with suppress(httpx.TimeoutException):
        await http.request(**picture.request(), timeout=IMPATIENT_SECONDS)
    return "disconnected"


KINDS: tuple[Request, ...] = (
    _filled,
    _streamed,
    _filled,
    _of_two_sizes,
    _filled,
    _left_after_the_first_pass,
    _filled,
    _cut_short,
    _filled,
    _impatient,
)


def _memory(process: psutil.Process) -> int:
    """Bytes of a process's own; Ray's store of objects is shared, and bounded by itself."""
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def test_memory_stays_flat(endpoint: EndpointProcess):
    replicas = [*endpoint.replicas("Model"), *endpoint.replicas("Ingress")]
    assert len(replicas) == 4
    pictures = samples(60)
    outcomes: Counter[object] = Counter()
    curves: dict[psutil.Process, list[int]] = {replica: [] for replica in replicas}

    async def work(first: int) -> None:
        async with httpx.AsyncClient(base_url=endpoint.url, timeout=TIMEOUT) as http:
            for turn in range(first, REQUESTS, CLIENTS):
                kind = KINDS[turn // CLIENTS % len(KINDS)]
                outcomes[await kind(http, pictures[turn % len(pictures)])] += 1
                if turn % 40 == 0:
                    for replica, curve in curves.items():
                        curve.append(_memory(replica))

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for first in range(CLIENTS):
                group.create_task(work(first))

    asyncio.run(run())
    share = REQUESTS // len(KINDS)
    assert outcomes == {200: 6 * share, "left": share, 422: 2 * share, "disconnected": share}
    for curve in curves.values():
        third = len(curve) // 3
        assert median(curve[-third // 2 :]) - median(curve[third : third + 5]) < MOST_GROWTH
    assert [*endpoint.replicas("Model"), *endpoint.replicas("Ingress")] == replicas
