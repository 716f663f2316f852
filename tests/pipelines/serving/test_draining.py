"""Closing the endpoint's door."""

from __future__ import annotations

import asyncio

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from pipelines.serving.draining import Door
from tests.pipelines.serving.slow_client import error_of


def test_who_is_inside_is_answered_and_who_comes_later_turned_away():
    async def run() -> None:
        entered, release = asyncio.Event(), asyncio.Event()

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            entered.set()
            await release.wait()
            await PlainTextResponse("answer")(scope, receive, send)

        door = Door()
        transport = httpx.ASGITransport(door.before(application))
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
            inside = asyncio.create_task(http.get("/"))
            await entered.wait()
            closing = asyncio.create_task(door.close())
            await asyncio.sleep(0)
            refused = await http.get("/")
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
            assert error_of(refused.content)["code"] == "unavailable"
            assert not closing.done()
            release.set()
            assert (await inside).text == "answer"
            await asyncio.wait_for(closing, 10)

    asyncio.run(run())


def test_a_door_with_nobody_behind_it_closes_at_once():
    async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    async def run() -> None:
        door = Door()
        door.before(nobody)
        await asyncio.wait_for(door.close(), 10)

    asyncio.run(run())
