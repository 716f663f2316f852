"""A client that sends its request in two halves, or only one of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

import httpx

from tests.pipelines.serving.traffic import Sample


class SlowClient:
    """One request on a connection of its own."""

    def __init__(self, url: str, picture: Sample, *, token: str) -> None:
        """Plan it."""
        self._url = httpx.URL(url)
        headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
        request = httpx.Client(base_url=url).build_request(**picture.request(**headers))
        request.read()
        lines = [f"{request.method} {request.url.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        self._sent = "\r\n".join([*lines, "", ""]).encode() + request.content
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def begin(self) -> Self:
        """Send all but the last bytes."""
        assert self._url.port is not None
        self._reader, self._writer = await asyncio.open_connection(self._url.host, self._url.port)
        self._writer.write(self._sent[:-100])
        await self._writer.drain()
        return self

    async def end(self) -> tuple[int, bytes]:
        """Send the rest; return the answer's status and body."""
        self._writer.write(self._sent[-100:])
        return await self.answer()

    async def answer(self) -> tuple[int, bytes]:
        """Wait for an answer, which may come although not everything was sent."""
        head, _, body = (await self._reader.read(-1)).partition(b"\r\n\r\n")
        self._writer.close()
        return int(head.split()[1]), body

    def leave(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()


def error_of(body: bytes) -> dict[str, Any]:
    """Return what a refusal says."""
    return dict(json.loads(body)["error"])
