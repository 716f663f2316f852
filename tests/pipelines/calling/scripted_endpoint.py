"""A server on loopback that answers as it is told: what clients of the endpoint are tested on."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

Answer = Callable[[str], Response]
"""Makes an answer to a request of some id."""


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(file, "PNG")
    return file.getvalue()


FACTS = {
    "X-Passes": "3",
    "X-Hole-Ratio": "0.310000",
    "X-Model-Version": "v7",
    "X-Queue-Ms": "1.5",
    "X-Model-Ms": "812.0",
}
RESULT = {
    "image": "data:image/png;base64," + base64.b64encode(png()).decode(),
    "passes": 3,
    "hole_ratio": 0.31,
    "model_version": "v7",
    "queue_ms": 1.5,
    "model_ms": 812.0,
}


def filled(name: str) -> Response:
    headers = {**FACTS, "X-Request-Id": name}
    return Response(png(), media_type="image/png", headers=headers)


def error(code: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": f"It is {code}.", "limit": None, **more}}


def refused(status: int, code: str, *, retry_after: str = "", **more: Any) -> Answer:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return lambda name: JSONResponse(error(code, **more), status, headers=headers)


def foreign(status: int) -> Answer:
    return lambda name: Response("<h1>Not mine</h1>", status, media_type="text/html")


def slow(seconds: float) -> Answer:
    return lambda name: StreamingResponse(_late(seconds), headers={"X-Request-Id": name})


async def _late(seconds: float) -> AsyncIterator[bytes]:
    await asyncio.sleep(seconds)
    yield b"late"


def cut(name: str) -> Response:
    """A picture whose second half never comes."""
    return StreamingResponse(_pieces([png()[:20]], cut=True), headers={"X-Request-Id": name})


def event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def passed(number: int, region: int = 0) -> bytes:
    image = "data:image/jpeg;base64," + base64.b64encode(b"preview").decode()
    facts = {"pass": number, "region": region, "regions": 2, "hole_ratio": 0.31, "image": image}
    return event("pass", facts)


def streamed(*pieces: bytes, cut: bool = False) -> Answer:
    return lambda name: StreamingResponse(
        _pieces(list(pieces), cut=cut),
        media_type="text/event-stream",
        headers={"X-Request-Id": name},
    )


async def _pieces(pieces: list[bytes], *, cut: bool) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if cut:
        raise ConnectionError("cut, as the script says")


@dataclass(kw_only=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    files: dict[str, bytes]


@dataclass
class Endpoint:
    """Answers with the script's next line, and with its last one from then on."""

    script: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def follow(self, *script: Answer) -> None:
        self.script, self.received, self.times = list(script), [], []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        self.times.append(time.monotonic())
        form = dict((await request.form()).items())
        self.received.append(
            Received(
                path=request.url.path,
                headers=dict(request.headers),
                fields={name: value for name, value in form.items() if isinstance(value, str)},
                files={
                    name: await value.read()
                    for name, value in form.items()
                    if not isinstance(value, str)
                },
            )
        )
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        await answer(request.headers.get("X-Request-Id", ""))(scope, receive, send)


def start(endpoint: Endpoint) -> Callable[[], None]:
    """Serve in a thread until the returned function is called."""
    config = uvicorn.Config(
        endpoint, port=endpoint.port, log_level="critical", lifespan="off", loop="asyncio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    endpoint.port = server.servers[0].sockets[0].getsockname()[1]

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return stop
