"""Either client, and a server that fails as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipelines.client import AsyncClient, Client
from tests.pipelines.calling import scripted_endpoint as scripted
from tests.pipelines.calling.scripted_endpoint import Endpoint


class Blocking:
    """The asynchronous client with a face like the other's, so that one test speaks to both."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.runner = asyncio.Runner()
        self.client = AsyncClient(url, **settings)

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.client.close())
        self.runner.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **options: Any) -> Any:
            return await getattr(self.client, name)(*arguments, **options)

        return lambda *arguments, **options: self.runner.run(call(*arguments, **options))

    def stream(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        events = self.client.stream(*arguments, **options)

        async def following() -> Any:
            return await anext(events, None)

        try:
            yield from iter(lambda: self.runner.run(following()), None)
        finally:
            self.runner.run(events.aclose())


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    stop = scripted.start(endpoint)
    yield endpoint
    stop()


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISNET_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=[Client, Blocking], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param
