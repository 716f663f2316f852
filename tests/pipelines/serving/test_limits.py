"""Too many requests at once, and too long ones: refused in time, and their places given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from tests.pipelines.serving.in_process import HeldUpload, client_of, error_of, listening, refused
from tests.pipelines.serving.pictures import encoded, form, mask_of, noise, small
from tests.pipelines.serving.pictures import hole as hole_of

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def held(
    client: httpx.AsyncClient, url: str, count: int, **headers: str
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Keep requests in the endpoint until they are let go: their uploads do not end."""
    uploads = [HeldUpload(b"{") for _ in range(count)]
    tasks = [
        asyncio.create_task(client.post(url, content=aiter(upload), headers=JSON | headers))
        for upload in uploads
    ]
    for upload in uploads:
        await asyncio.wait_for(upload.read.wait(), 10)
    yield tasks
    for upload in uploads:
        upload.end.set()
    for response in await asyncio.gather(*tasks):
        assert response.status_code == 400


async def test_a_client_has_its_share_and_gets_it_back(
    build: Callable[..., FastAPI], url: str
) -> None:
    tokens = ("one", "two")
    async with client_of(build(tokens, max_requests_per_client=2, max_requests=4)) as client:
        one, two = ({"Authorization": f"Bearer {token}"} for token in tokens)
        async with held(client, url, 2, **one):
            response = await client.post(url, **small(), headers=one)
            assert response.status_code == 429
            assert error_of(response)["code"] == "too_many_requests"
            limit = {"name": "max_requests_per_client", "value": 2}
            assert error_of(response)["limit"] == limit
            assert int(response.headers["retry-after"]) >= 1
            assert (await client.post(url, **small(), headers=two)).status_code == 200
        assert (await client.post(url, **small(), headers=one)).status_code == 200


async def test_a_full_endpoint_sheds_at_once_and_recovers(
    build: Callable[..., FastAPI], url: str
) -> None:
    async with client_of(build(max_requests=3)) as client:
        async with held(client, url, 3):
            async with asyncio.timeout(5):
                responses = await asyncio.gather(*(client.post(url, **small()) for _ in range(20)))
            for response in responses:
                assert response.status_code == 503
                assert error_of(response)["code"] == "overloaded"
                assert error_of(response)["limit"] == {"name": "max_requests", "value": 3}
                assert int(response.headers["retry-after"]) >= 1
            assert (await client.get("/readyz")).status_code == 200
        assert (await client.post(url, **small())).status_code == 200


async def test_a_crowd_is_answered_or_shed_and_nothing_else(
    build: Callable[..., FastAPI], url: str
) -> None:
    async with listening(build(max_requests=4)) as client:
        responses = await asyncio.gather(
            *(client.post(url, **small(passes=3, threshold=0)) for _ in range(24))
        )
        assert {response.status_code for response in responses} == {200, 503}
        assert (await client.post(url, **small())).status_code == 200


async def test_an_upload_that_does_not_end_is_given_up(
    build: Callable[..., FastAPI], url: str
) -> None:
    async with client_of(build(max_seconds=0.2, max_requests=1)) as client:
        for _ in range(2):  # the first has not kept the only place
            request = {"content": aiter(HeldUpload()), "headers": JSON}
            error = await refused(client, url, 503, "timeout", **request)
            assert error["limit"] == {"name": "max_seconds", "value": 0.2}


async def test_a_picture_that_takes_too_long_is_given_up(
    build: Callable[..., FastAPI], url: str
) -> None:
    size = (600, 600)
    request = form(encoded(noise(*size)), mask_of(hole_of(*size)), threshold=0)
    async with client_of(build(max_seconds=0.001)) as client:
        response = await client.post(url, **request)
        assert response.status_code == 503
        assert error_of(response)["code"] == "timeout"
        assert int(response.headers["retry-after"]) >= 1


async def test_a_client_that_leaves_while_it_sends_gives_its_place_back(
    build: Callable[..., FastAPI], url: str
) -> None:
    async with listening(build(max_requests=1)) as client:
        upload = HeldUpload(b"{")
        task = asyncio.create_task(client.post(url, content=aiter(upload), headers=JSON))
        await upload.read.wait()
        await asyncio.sleep(0.1)
        assert (await client.post(url, **small())).status_code == 503
        task.cancel()
        async with asyncio.timeout(10):
            while (await client.post(url, **small())).status_code != 200:
                await asyncio.sleep(0.02)
