"""The endpoint's Python client; it needs neither Ray nor torch.

    from pipelines.client import Client

    with Client("http://127.0.0.1:8000") as client:
        client.inpaint("photo.jpg", "mask.png", strategy="crop").save("filled.jpg")
        for event in client.stream("photo.jpg", "mask.png"):  # a PassEvent each, then Filled
            event.image.show()

What breaks, or is refused for the moment, is tried again for a while; all else raises
`InpaintError` at once.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self, TypedDict, TypeVar, Unpack

import httpx
from tenacity import AsyncRetrying, Retrying

from pipelines.calling.answer import Delivery, Filled, PassEvent, parse_filled, parse_json, read
from pipelines.calling.failure import InpaintError, explained, policy
from pipelines.calling.request import Options, Source, form

__all__ = ["AsyncClient", "Client", "Filled", "InpaintError", "Options", "PassEvent", "Source"]

Read = TypeVar("Read")
_FILL, _STREAM = "/v1/inpaint", "/v1/inpaint/stream"
_MODEL = {"method": "GET", "url": "/v1/model"}
_READY = {"method": "GET", "url": "/readyz", "timeout": 10.0}


class Settings(TypedDict, total=False):
    """How a client calls."""

    token: str | None
    """What an endpoint with tokens wants to see; the variable `ISNET_TOKEN` when None."""
    timeout: float
    """Seconds of silence after which a try has failed, 150 by default. The endpoint is silent
    while the model works, so give more than it allows a request."""
    retry_for: float
    """Seconds after the beginning of a call when no further try may begin, 180 by default; with 0
    there is one try. A try may fail as late as the endpoint allows one to take: give more."""


class _Caller:
    """What is the same for a client that waits and one that does not."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 150.0,
        retry_for: float = 180.0,
    ) -> None:
        self._url = httpx.URL(url)
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError(f"no client can call {url!r}; write the address as http://host:port")
        token = os.environ.get("ISNET_TOKEN") if token is None else token
        self._policy = policy(retry_for)
        self._connection: dict[str, Any] = {
            "base_url": self._url,
            "headers": {"Authorization": f"Bearer {token}"} if token else {},
            "timeout": httpx.Timeout(timeout, connect=min(timeout, 10.0)),
        }

    def _request(self, url: str, image: Source, mask: Source, options: Options) -> dict[str, Any]:
        """Build what every try of a call sends, under one id."""
        headers = {"X-Request-Id": uuid.uuid4().hex}
        return {"method": "POST", "url": url, "headers": headers, **form(image, mask, options)}


class Client(_Caller):
    """Calls the endpoint and waits; threads may share it.

    Args:
        url: where the endpoint is, e.g. `http://127.0.0.1:8000`.
        settings: see `Settings`.

    Raises:
        ValueError: something else than an address.

    """

    def __init__(self, url: str, **settings: Unpack[Settings]) -> None:
        super().__init__(url, **settings)
        self._http = httpx.Client(**self._connection)

    def __enter__(self) -> Self:
        """Return the client, to be closed at the end of a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def inpaint(self, image: Source, mask: Source, **options: Unpack[Options]) -> Filled:
        """Fill a hole.

        Args:
            image: the picture.
            mask: of its size, as it is displayed; white where it is to be filled.
            options: see `Options`.

        Raises:
            InpaintError: the endpoint refused, or did not answer in time.
            OSError: a file that cannot be read.
            ValueError: a PIL picture that PNG cannot hold.

        """
        return self._call(self._request(_FILL, image, mask, options), parse_filled)

    def stream(
        self, image: Source, mask: Source, **options: Unpack[Options]
    ) -> Iterator[PassEvent | Filled]:
        """Fill a hole and watch: give each pass as it ends, and the filled picture last.

        Arguments and errors are those of `inpaint`. What broke in the middle is begun again;
        no pass is given twice.
        """
        return self._events(self._request(_STREAM, image, mask, options), Delivery())

    def model(self) -> dict[str, Any]:
        """Ask which model the endpoint serves, and within which limits."""
        return self._call(_MODEL, parse_json)

    def ready(self) -> bool:
        """Ask, once, whether the endpoint would fill a hole now; it may not even be there."""
        try:
            return bool(self._try(_READY, parse_json))
        except InpaintError as error:
            if not error.transient:
                raise
            return False

    def _call(self, request: dict[str, Any], parse: Callable[[httpx.Response], Read]) -> Read:
        return Retrying(**self._policy)(self._try, request, parse)

    def _try(self, request: dict[str, Any], parse: Callable[[httpx.Response], Read]) -> Read:
        with explained(self._url):
            response = self._http.request(**request)
        return read(response, parse)

    def _events(self, request: dict[str, Any], delivery: Delivery) -> Iterator[PassEvent | Filled]:
        for attempt in Retrying(**self._policy):
            with attempt, explained(self._url), self._http.stream(**request) as response:
                if response.status_code != 200:
                    response.read()
                delivery.begin(response)
                for piece in response.iter_bytes():
                    yield from delivery.take(piece)
                    if delivery.finished:
                        return
                delivery.end()


class AsyncClient(_Caller):
    """Calls the endpoint and lets other coroutines run meanwhile; otherwise as `Client`."""

    def __init__(self, url: str, **settings: Unpack[Settings]) -> None:
        super().__init__(url, **settings)
        self._http = httpx.AsyncClient(**self._connection)

    async def __aenter__(self) -> Self:
        """Return the client, to be closed at the end of an `async with`."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def inpaint(self, image: Source, mask: Source, **options: Unpack[Options]) -> Filled:
        """Fill a hole, as `Client.inpaint`."""
        request = await asyncio.to_thread(self._request, _FILL, image, mask, options)
        return await self._call(request, parse_filled)

    async def stream(
        self, image: Source, mask: Source, **options: Unpack[Options]
    ) -> AsyncIterator[PassEvent | Filled]:
        """Fill a hole and watch, as `Client.stream`."""
        request = await asyncio.to_thread(self._request, _STREAM, image, mask, options)
        delivery = Delivery()
        async for attempt in AsyncRetrying(**self._policy):
            with attempt, explained(self._url):
                async with self._http.stream(**request) as response:
                    if response.status_code != 200:
                        await response.aread()
                    delivery.begin(response)
                    async for piece in response.aiter_bytes():
                        for event in delivery.take(piece):
                            yield event
                        if delivery.finished:
                            return
                    delivery.end()

    async def model(self) -> dict[str, Any]:
        """Ask which model the endpoint serves, as `Client.model`."""
        return await self._call(_MODEL, parse_json)

    async def ready(self) -> bool:
        """Ask whether the endpoint would fill a hole now, as `Client.ready`."""
        try:
            return bool(await self._try(_READY, parse_json))
        except InpaintError as error:
            if not error.transient:
                raise
            return False

    async def _call(self, request: dict[str, Any], parse: Callable[[httpx.Response], Read]) -> Read:
        return await AsyncRetrying(**self._policy)(self._try, request, parse)

    async def _try(self, request: dict[str, Any], parse: Callable[[httpx.Response], Read]) -> Read:
        with explained(self._url):
            response = await self._http.request(**request)
        return read(response, parse)
