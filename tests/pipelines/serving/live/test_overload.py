"""More requests than an endpoint takes, clients that are slow, and work that takes too long."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import httpx
import pytest

from tests.pipelines.serving.endpoint_process import EndpointProcess
from tests.pipelines.serving.live.conftest import TOKENS
from tests.pipelines.serving.slow_client import SlowClient, error_of
from tests.pipelines.serving.traffic import TIMEOUT, Sample, sample, samples

pytestmark = [pytest.mark.slow, pytest.mark.ray]

SMALL = sample(40, 40)
FIRST, SECOND = TOKENS
SHARE, ALL = 4, 6
"""Requests of a client, and of all, as `guarded` takes them."""
MAX_SECONDS = 8.0
GRACE = 10.0
"""Seconds after which Serve itself ends a request that the endpoint did not."""


async def _send(endpoint: EndpointProcess, picture: Sample, token: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=endpoint.url, timeout=TIMEOUT) as http:
        return await http.request(**picture.request(Authorization=f"Bearer {token}"))


async def _hold(endpoint: EndpointProcess, token: str, places: int) -> list[SlowClient]:
    clients = [SlowClient(endpoint.url, SMALL, token=token) for _ in range(places)]
    return [await client.begin() for client in clients]


async def _look(endpoint: EndpointProcess, token: str) -> httpx.Response:
    """Ask for something that is refused with 415 if there is a place, and holds none."""
    async with httpx.AsyncClient(base_url=endpoint.url, timeout=TIMEOUT) as http:
        return await http.post("/v1/inpaint", headers={"Authorization": f"Bearer {token}"})


async def _wait_until_full(endpoint: EndpointProcess, token: str) -> httpx.Response:
    """Wait until no place is left for a client; return what it is told then."""
    until = time.monotonic() + MAX_SECONDS
    while (answer := await _look(endpoint, token)).status_code == 415:
        assert time.monotonic() < until
    return answer


async def _wait_until_free(endpoint: EndpointProcess, token: str, seconds: float) -> None:
    """Wait until there is a place for a client, and see that its request is answered."""
    until = time.monotonic() + seconds
    while (answer := await _look(endpoint, token)).status_code != 415:
        assert answer.status_code == 429
        assert time.monotonic() < until
        await asyncio.sleep(0.1)
    assert (await _send(endpoint, SMALL, token)).status_code == 200


def _require_refusal(answer: httpx.Response, status: int, code: str, limit: str) -> None:
    assert answer.status_code == status
    assert int(answer.headers["Retry-After"]) >= 1
    error = error_of(answer.content)
    assert (error["code"], error["limit"]["name"]) == (code, limit)
    assert f"{error['limit']['value']:g}" in error["message"]


def test_what_is_too_much_is_refused_and_the_rest_answered(guarded: EndpointProcess):
    async def run() -> None:
        first = await _hold(guarded, FIRST, SHARE)
        refused = await _wait_until_full(guarded, FIRST)
        _require_refusal(refused, 429, "too_many_requests", "max_requests_per_client")
        second = await _hold(guarded, SECOND, ALL - SHARE)
        refused = await _wait_until_full(guarded, SECOND)
        _require_refusal(refused, 503, "overloaded", "max_requests")
        for status, body in await asyncio.gather(*(client.end() for client in first + second)):
            assert status == 200, body
            SMALL.require_kept(body)
        for token in TOKENS:
            assert (await _send(guarded, SMALL, token)).status_code == 200

    asyncio.run(run())


def test_a_burst_is_shed_quickly_and_leaves_nothing_behind(guarded: EndpointProcess):
    pictures = samples(40)

    async def run() -> None:
        answers = await asyncio.gather(
            *(_send(guarded, picture, TOKENS[index % 2]) for index, picture in enumerate(pictures))
        )
        codes = Counter(answer.status_code for answer in answers)
        assert codes[200]
        assert codes[200] + codes[429] + codes[503] == len(pictures), codes
        assert codes[200] < len(pictures)
        for picture, answer in zip(pictures, answers, strict=True):
            if answer.status_code == 200:
                picture.require_kept(answer.content)
            else:
                assert error_of(answer.content)["limit"]
        for token in TOKENS:
            assert (await _send(guarded, SMALL, token)).status_code == 200

    asyncio.run(run())


def test_clients_that_leave_free_their_places(guarded: EndpointProcess):
    async def run() -> None:
        clients = await _hold(guarded, FIRST, SHARE)
        await _wait_until_full(guarded, FIRST)
        for client in clients:
            client.leave()
        await _wait_until_free(guarded, FIRST, MAX_SECONDS - 1)

    asyncio.run(run())


def test_clients_that_never_end_are_given_up(guarded: EndpointProcess):
    async def run() -> None:
        clients = await _hold(guarded, FIRST, SHARE)
        await _wait_until_full(guarded, FIRST)
        for status, body in await asyncio.gather(*(client.answer() for client in clients)):
            assert status in (408, 503), body
        await _wait_until_free(guarded, FIRST, MAX_SECONDS)

    began = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - began < 2 * MAX_SECONDS + GRACE + 10


def test_a_busy_endpoint_is_ready_and_drops_what_took_too_long(guarded: EndpointProcess):
    large = sample(1440, 1440, threshold=0)  # several seconds each

    async def run() -> None:
        tokens = [FIRST] * SHARE + [SECOND] * (ALL - SHARE)
        async with httpx.AsyncClient(base_url=guarded.url, timeout=TIMEOUT) as http:
            assert (await http.get("/readyz")).status_code == 200
            work = [asyncio.create_task(_send(guarded, large, token)) for token in tokens]
            while not all(task.done() for task in work):
                assert (await http.get("/readyz")).status_code == 200
                await asyncio.sleep(0.5)
        late = [task.result() for task in work if task.result().status_code != 200]
        assert late
        for answer in late:
            _require_refusal(answer, 503, "timeout", "max_seconds")
        # It would not be answered if the model made all those passes first.
        assert (await _send(guarded, SMALL, FIRST)).status_code == 200

    asyncio.run(run())
