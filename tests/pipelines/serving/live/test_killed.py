"""Replicas that are killed while requests are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from pipelines.client import AsyncClient
from tests.pipelines.serving.endpoint_process import EndpointProcess
from tests.pipelines.serving.traffic import TIMEOUT, Load, Sample, sample, samples

pytestmark = [pytest.mark.slow, pytest.mark.ray]

LONG = sample(512, 512, threshold=0)
"""Eleven passes, which take about a second."""


@pytest.mark.extended
def test_a_killed_model_replica_loses_no_request(endpoint: EndpointProcess):
    load = Load(url=endpoint.url, samples=samples(12))

    async def run() -> None:
        async with load:
            await load.more(30)
            endpoint.kill_replicas("Model", 1)
            await load.more(60)
            await asyncio.to_thread(endpoint.wait_for_replicas, "Model", 2)

    asyncio.run(run())
    load.require_all_right()


def test_all_model_replicas_killed_at_once_lose_no_request(endpoint: EndpointProcess):
    load = Load(url=endpoint.url, samples=samples(12))

    async def run() -> list[tuple[str, dict[str, Any]]]:
        async with load:
            await load.more(30)
            events = [event async for event in _stream_and_kill(endpoint, LONG)]
            await load.more(30)
        return events

    events = asyncio.run(run())
    load.require_all_right()
    # The stream that lost its replica went on with another, each pass once.
    assert [name for name, _ in events] == ["pass"] * 11 + ["result"]
    assert [event["pass"] for _, event in events[:-1]] == list(range(1, 12))
    endpoint.wait_for_replicas("Model", 2)


async def _stream_and_kill(
    endpoint: EndpointProcess, picture: Sample
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Yield events; after the second one, kill every model replica."""
    async with (
        httpx.AsyncClient(base_url=endpoint.url, timeout=TIMEOUT) as http,
        http.stream(**picture.request("/v1/inpaint/stream")) as answer,
    ):
        assert answer.status_code == 200
        name, seen = "", 0
        async for line in answer.aiter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)
                seen += 1
                if seen == 2:
                    endpoint.kill_replicas("Model", 2)


def test_our_client_loses_nothing_when_an_ingress_replica_is_killed(endpoint: EndpointProcess):
    pictures = samples(12)
    filled: list[tuple[Sample, bytes]] = []
    enough = asyncio.Event()

    async def work(client: AsyncClient, first: int) -> None:
        for index in range(first, 10_000):
            if enough.is_set():
                return
            picture = pictures[index % len(pictures)]
            answer = await client.inpaint(picture.image, picture.mask, **picture.options)  # type: ignore[arg-type]
            filled.append((picture, answer.data))

    async def run() -> None:
        async with AsyncClient(endpoint.url) as client, asyncio.TaskGroup() as group:
            for first in range(6):
                group.create_task(work(client, first))
            for victims in (1, 2):
                await asyncio.sleep(2)
                endpoint.kill_replicas("Ingress", victims)
                await asyncio.to_thread(endpoint.wait_for_replicas, "Ingress", 2)
            await asyncio.sleep(1)
            enough.set()

    asyncio.run(run())
    assert len(filled) > 30
    for picture, answer in filled:
        picture.require_kept(answer)
