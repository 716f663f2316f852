"""Who can reach an endpoint, what it refuses to do, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.pipelines.command_process import CommandProcess
from tests.pipelines.serving.endpoint_process import EndpointProcess, command_line
from tests.pipelines.serving.live.conftest import TOKENS
from tests.pipelines.serving.slow_client import SlowClient, error_of
from tests.pipelines.serving.traffic import sample

pytestmark = [pytest.mark.slow, pytest.mark.ray]

SMALL = sample(40, 40)


@pytest.mark.parametrize("header", [None, "Bearer another", f"Basic {TOKENS[0]}"])
def test_without_a_token_nothing_is_filled_or_told(guarded: EndpointProcess, header: str | None):
    headers = {} if header is None else {"Authorization": header}
    with httpx.Client(base_url=guarded.url) as http:
        for answer in (
            http.request(**SMALL.request(**headers)),
            http.request(**SMALL.request("/v1/inpaint/stream", **headers)),
            http.get("/v1/model", headers=headers),
        ):
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert error_of(answer.content)["code"] == "unauthorized"
        for route in ("/", "/docs", "/healthz", "/readyz"):
            assert http.get(route, headers=headers).status_code == 200


@pytest.mark.parametrize("token", TOKENS)
def test_each_token_is_accepted(guarded: EndpointProcess, token: str):
    request = SMALL.request(Authorization=f"Bearer {token}")
    answer = httpx.Client(base_url=guarded.url).request(**request)
    assert answer.status_code == 200
    SMALL.require_kept(answer.content)


@pytest.mark.parametrize("path", ["/v1/inpaint", "/v1/inpaint/stream"])
def test_a_region_that_is_too_large_is_refused_and_no_failure(endpoint: EndpointProcess, path: str):
    with httpx.Client(base_url=endpoint.url, timeout=60) as http:
        answer = http.request(**sample(2400, 2400).request(path))
        assert answer.status_code == 413
        error = error_of(answer.content)
        assert (error["code"], error["limit"]["name"]) == ("region_too_large", "max_region_pixels")
        assert "over a region of 2400x2400" in error["message"]
        assert http.request(**SMALL.request(path)).status_code == 200
    assert "Traceback" not in endpoint.output


def test_every_port_is_on_loopback(endpoint: EndpointProcess, guarded: EndpointProcess):
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in [*endpoint.family(), *guarded.family()]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {endpoint.port, guarded.port} <= {port for _, port in listening}
    assert {ip.removeprefix("::ffff:") for ip, _ in listening} <= {"127.0.0.1", "::1"}


def test_what_cannot_be_served_is_refused_in_one_line(tmp_path: Path, closed_port: int):
    taken = socket.create_server(("127.0.0.1", 0))
    refusals: dict[str, tuple[str, ...]] = {
        "the endpoint would listen on 0.0.0.0": ("--host", "0.0.0.0"),
        "cannot listen on 127.0.0.1": ("--port", str(taken.getsockname()[1])),
        "nothing-here": ("--checkpoint", str(tmp_path / "nothing-here")),
    }
    started: dict[str, CommandProcess] = {}
    for index, (message, words) in enumerate(refusals.items()):
        process = EndpointProcess(tmp_path / str(index))
        process.words = [*process.words, *words]
        process.start()
        started[message] = process
    with taken:
        for message, process in started.items():
            assert process.finish() == 2
            (line,) = process.output.splitlines()
            assert line.startswith("error: ")
            assert message in line


def test_ctrl_c_ends_a_start(tmp_path: Path):
    process = EndpointProcess(tmp_path)
    process.start()
    until = time.monotonic() + 300
    while not any("ServeController" in command_line(child) for child in process.family()):
        assert time.monotonic() < until, process.output
        time.sleep(0.1)
    assert process.stop(signal.SIGINT) == 130
    assert process.output.endswith("interrupted\n")
    assert "Traceback" not in process.output


def test_sigterm_ends_an_endpoint_once_it_has_answered(guarded: EndpointProcess):
    async def run() -> int:
        clients = [await SlowClient(guarded.url, SMALL, token=token).begin() for token in TOKENS]
        await asyncio.sleep(0.5)
        ended = asyncio.create_task(asyncio.to_thread(guarded.stop, signal.SIGTERM))
        async with httpx.AsyncClient(base_url=guarded.url) as http:
            while (answer := await http.get("/healthz")).status_code == 200:
                await asyncio.sleep(0.1)
        assert error_of(answer.content)["code"] == "unavailable"
        for client in clients:
            status, body = await client.end()
            assert status == 200, body
            SMALL.require_kept(body)
        return await ended

    assert asyncio.run(run()) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(guarded.url)
