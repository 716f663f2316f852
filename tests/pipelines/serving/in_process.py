"""The endpoint in the test's own process: the real API and the real model, without Ray."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import torch
import uvicorn
from fastapi import FastAPI

from isnet.inference import InferenceGenerator
from pipelines.serving.api import build_api
from pipelines.serving.config import EndpointSettings
from pipelines.serving.jobs.office import JobBoard
from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.model import InpaintingModel
from pipelines.serving.regions import Solver

HOST = "127.0.0.1:8000"


async def load_model(checkpoint: Path | str, **settings: Any) -> InpaintingModel:
    """Load a model as a replica does."""
    model = InpaintingModel(EndpointSettings(precision="fp32", **settings))
    await model.reconfigure({"checkpoint": str(checkpoint)})
    return model


def api_of(
    solver: Solver,
    metrics: IngressMetrics,
    tokens: tuple[str, ...] = (),
    board: JobBoard | None = None,
    **settings: Any,
) -> FastAPI:
    """Build the API over a model; `settings` are fields of `EndpointSettings`."""
    given = EndpointSettings(**settings)
    return build_api(given, solver, tokens=tokens, metrics=metrics, board=board)


def client_of(api: FastAPI, *, raising: bool = True, **options: Any) -> httpx.AsyncClient:
    """Call an API without a network; `raising` has its bugs raised here, too."""
    transport = httpx.ASGITransport(api, raise_app_exceptions=raising)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", **options)


@asynccontextmanager
async def listening(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an API on a real socket of the loopback."""
    server = uvicorn.Server(uvicorn.Config(api, lifespan="off", log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            await running


class HeldUpload:
    """The body of a request that does not end before it is told to, and tells when it is read."""

    def __init__(self, body: bytes = b"") -> None:
        self.read = asyncio.Event()
        self.end = asyncio.Event()
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.read.set()
        yield self._body
        await self.end.wait()


async def until(condition: Any) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@contextmanager
def noted_passes(*, seconds: float = 0) -> Iterator[list[int]]:
    """Note the number of images in each pass of any network; a pass takes `seconds` longer."""
    sizes: list[int] = []

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, InferenceGenerator):
            sizes.append(len(inputs[0]))
            time.sleep(seconds)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield sizes
    finally:
        hook.remove()


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Check the form of an error, and return what it says."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert set(error) == {"code", "message", "limit"}
    assert error["code"]
    assert error["message"]
    return error


async def refused(
    client: httpx.AsyncClient, url: str, status: int, code: str, **request: Any
) -> dict[str, Any]:
    """Send a request, and return what is said of its refusal."""
    response = await client.post(url, **request)
    assert response.status_code == status, response.text
    error = error_of(response)
    assert error["code"] == code, error
    return error


def events_of(body: str) -> list[tuple[str, dict[str, Any]]]:
    """Take a stream of events apart."""
    *events, end = body.split("\n\n")
    assert end == ""
    parted = [event.split("\n") for event in events]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in parted
    ]
