"""Calls of the endpoint, blocking and not."""

from __future__ import annotations

import asyncio
import io
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.calling.failure import _seconds
from pipelines.client import AsyncClient, Client, Filled, InpaintError
from tests.pipelines.calling import scripted_endpoint as scripted
from tests.pipelines.calling.scripted_endpoint import Endpoint

HEAVY = """
import sys, pipelines.client
print([name for name in ("ray", "torch", "mlflow") if name in sys.modules])
"""


def fill(client: Any, **options: Any) -> Filled:
    return client.inpaint(scripted.png(), scripted.png("white"), **options)


def watch(client: Any) -> list[Any]:
    return list(client.stream(scripted.png(), scripted.png("white")))


def test_needs_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_gives_the_file_and_its_facts(connect: Any, server: Endpoint, tmp_path: Path) -> None:
    server.follow(scripted.filled)
    with connect(server.url) as client:
        answer = fill(client)
    answer.save(tmp_path / "filled.png")
    assert (tmp_path / "filled.png").read_bytes() == scripted.png()
    assert answer.image.getpixel((0, 0)) == (255, 0, 0)
    assert (answer.media_type, answer.model_version) == ("image/png", "v7")
    assert (answer.passes, answer.hole_ratio) == (3, 0.31)
    assert (answer.queue_ms, answer.model_ms) == (1.5, 812.0)
    assert answer.request_id == server.received[0].headers["x-request-id"]


def test_sends_only_the_options_that_are_given(connect: Any, server: Endpoint) -> None:
    server.follow(scripted.filled)
    with connect(server.url) as client:
        fill(client, strategy="crop", passes=2, threshold=0.5, quality=None)
    assert server.received[0].path == "/v1/inpaint"
    assert server.received[0].fields == {"strategy": "crop", "passes": "2", "threshold": "0.5"}


def test_takes_paths_bytes_files_and_pictures(server: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(scripted.png())
    path = tmp_path / "photo.png"
    server.follow(scripted.filled)
    with Client(server.url) as client:
        for source in (path, str(path), scripted.png(), io.BytesIO(scripted.png())):
            client.inpaint(source, source if source is path else path)
        client.inpaint(Image.open(path), Image.open(path))
    assert [sent.files["image"] for sent in server.received[:4]] == [scripted.png()] * 4
    assert {sent.files["mask"] for sent in server.received[:4]} == {scripted.png()}
    sent = Image.open(io.BytesIO(server.received[4].files["image"]))
    assert (sent.format, sent.tobytes()) == ("PNG", Image.open(path).tobytes())


def test_pictures_keep_their_orientation(server: Endpoint) -> None:
    photo = Image.new("RGB", (4, 2))
    photo.getexif()[0x0112] = 6
    server.follow(scripted.filled)
    with Client(server.url) as client:
        client.inpaint(photo, scripted.png())
    assert Image.open(io.BytesIO(server.received[0].files["image"])).getexif()[0x0112] == 6


def test_pictures_that_png_cannot_hold_are_refused(server: Endpoint) -> None:
    with Client(server.url) as client, pytest.raises(ValueError, match=r"CMYK.*RGB"):
        client.inpaint(Image.new("CMYK", (4, 2)), scripted.png())


def test_token_is_the_given_one_else_the_environments(
    connect: Any, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.follow(scripted.filled)
    for given, variable in ((None, ""), (None, "theirs"), ("mine", "theirs")):
        monkeypatch.setenv("ISNET_TOKEN", variable)
        with connect(server.url, token=given) as client:
            fill(client)
    sent = [request.headers.get("authorization") for request in server.received]
    assert sent == [None, "Bearer theirs", "Bearer mine"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(connect: Any, server: Endpoint, status: int) -> None:
    server.follow(scripted.refused(status, "some"), scripted.foreign(status), scripted.filled)
    with connect(server.url) as client:
        assert fill(client, passes=2).passes == 3
    first, second, third = server.received
    assert first.files == second.files == third.files
    assert first.fields == second.fields == third.fields == {"passes": "2"}
    assert len({request.headers["x-request-id"] for request in server.received}) == 1


def test_broken_answers_are_asked_for_again(connect: Any, server: Endpoint) -> None:
    server.follow(scripted.cut, scripted.filled)
    with connect(server.url) as client:
        assert fill(client).data == scripted.png()
    assert len(server.received) == 2


def test_silence_is_a_failed_try(connect: Any, server: Endpoint) -> None:
    server.follow(scripted.slow(0.2), scripted.filled)
    with connect(server.url, timeout=0.1) as client:
        assert fill(client).passes == 3
    assert len(server.received) == 2


def test_waits_as_long_as_it_is_asked_to(connect: Any, server: Endpoint) -> None:
    server.follow(scripted.refused(503, "overloaded", retry_after="0.15"), scripted.filled)
    with connect(server.url) as client:
        fill(client)
    assert server.times[1] - server.times[0] >= 0.15


def test_does_not_wait_where_no_try_could_follow(connect: Any, server: Endpoint) -> None:
    server.follow(scripted.refused(503, "overloaded", retry_after="100"))
    with connect(server.url, retry_for=60) as client, pytest.raises(InpaintError) as caught:
        fill(client)
    assert (caught.value.code, caught.value.retry_after) == ("overloaded", 100)
    assert len(server.received) == 1


def test_retry_after_may_be_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < _seconds(soon) <= 30
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert [_seconds(text) for text in ("7", "-1", "nan", "soon", "", past)] == [7, 0, 0, 0, 0, 0]


def test_refusals_are_raised_at_once(connect: Any, server: Endpoint) -> None:
    limit = {"name": "max_pixels", "value": 50_000_000}
    server.follow(scripted.refused(413, "too_many_pixels", limit=limit))
    with connect(server.url) as client, pytest.raises(InpaintError, match="too_many") as caught:
        fill(client)
    assert (caught.value.status, caught.value.code) == (413, "too_many_pixels")
    assert (caught.value.message, caught.value.limit) == ("It is too_many_pixels.", limit)
    assert len(server.received) == 1


def test_gives_up_after_its_time(connect: Any, server: Endpoint) -> None:
    server.follow(scripted.foreign(502))
    with connect(server.url, retry_for=0.3) as client, pytest.raises(InpaintError) as caught:
        fill(client)
    assert (caught.value.status, caught.value.code) == (502, "http_502")
    assert "Not mine" in caught.value.message
    assert len(server.received) > 1
    assert server.times[-1] - server.times[0] < 0.3


def test_tries_once_when_told_to(connect: Any, server: Endpoint) -> None:
    server.follow(scripted.refused(503, "overloaded"), scripted.filled)
    with connect(server.url, retry_for=0) as client, pytest.raises(InpaintError):
        fill(client)


def test_says_where_nobody_answers(connect: Any, closed_port: int) -> None:
    url = f"http://name:secret@127.0.0.1:{closed_port}"
    with connect(url, retry_for=0.1) as client, pytest.raises(InpaintError) as caught:
        fill(client)
    assert (caught.value.status, caught.value.code) == (None, "unreachable")
    assert f"http://127.0.0.1:{closed_port}" in caught.value.message
    assert "secret" not in caught.value.message


def test_waits_for_an_endpoint_that_starts(connect: Any, closed_port: int) -> None:
    late, stops = Endpoint([scripted.filled], port=closed_port), []
    timer = threading.Timer(0.1, lambda: stops.append(scripted.start(late)))
    timer.start()
    with connect(late.url) as client:
        assert fill(client).passes == 3
    timer.join()
    stops[0]()


@pytest.mark.parametrize("answer", [scripted.foreign(200), scripted.foreign(404)])
def test_other_servers_are_recognised(connect: Any, server: Endpoint, answer: Any) -> None:
    server.follow(answer)
    with connect(server.url) as client:
        for call in (fill, watch, lambda client: client.model(), lambda client: client.ready()):
            with pytest.raises(InpaintError, match=r"127\.0\.0\.1"):
                call(client)
    assert len(server.received) == 4


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost", "ftp://host", "http://"])
def test_addresses_are_checked(connect: Any, url: str) -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        connect(url)


def test_errors_travel_between_processes() -> None:
    sent = InpaintError("no", status=503, code="overloaded", limit={"name": "x"}, retry_after=2)
    assert vars(pickle.loads(pickle.dumps(sent))) == vars(sent)


def test_model_and_readiness(connect: Any, server: Endpoint, closed_port: int) -> None:
    facts = {"version": "v7", "limits": {"max_pixels": 9}}
    ready = scripted.JSONResponse({"status": "ready", "model_version": "v7"})
    with connect(server.url) as client:
        server.follow(scripted.foreign(503), lambda name: scripted.JSONResponse(facts))
        assert client.model() == facts
        server.follow(lambda name: ready, scripted.refused(503, "unavailable"))
        assert [client.ready(), client.ready()] == [True, False]
    with connect(f"http://127.0.0.1:{closed_port}") as client:
        assert client.ready() is False


def test_coroutines_share_a_client(server: Endpoint) -> None:
    server.follow(scripted.filled)

    async def together() -> list[Filled]:
        async with AsyncClient(server.url) as client:
            return await asyncio.gather(*(client.inpaint(scripted.png(), b"") for _ in range(5)))

    assert len({answer.request_id for answer in asyncio.run(together())}) == 5
