"""Streams of the endpoint, blocking and not, whole and broken."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.calling.answer import Delivery
from pipelines.client import Filled, InpaintError, PassEvent
from tests.pipelines.calling import scripted_endpoint as scripted
from tests.pipelines.calling.scripted_endpoint import RESULT, Endpoint, event, passed, streamed

RESULT_EVENT = event("result", RESULT)


def watch(client: Any) -> list[Any]:
    return list(client.stream(scripted.png(), scripted.png("white")))


def test_streams_passes_and_then_the_picture(connect: Any, server: Endpoint) -> None:
    server.follow(streamed(b": hello\n\n", passed(1), passed(2), passed(1, 1), RESULT_EVENT))
    with connect(server.url) as client:
        *passes, last = watch(client)
    assert [(one.number, one.region) for one in passes] == [(1, 0), (2, 0), (1, 1)]
    assert {(one.data, one.media_type, one.regions) for one in passes} == {
        (b"preview", "image/jpeg", 2)
    }
    assert isinstance(last, Filled)
    assert (last.data, last.media_type) == (scripted.png(), "image/png")
    assert (last.passes, last.model_ms) == (3, 812.0)
    assert last.request_id == server.received[0].headers["x-request-id"]


@pytest.mark.parametrize(
    "broken",
    [
        streamed(passed(1), passed(2), cut=True),
        streamed(passed(1), passed(2), passed(3)[:-20]),
        streamed(passed(1), passed(2), event("error", scripted.error("unavailable"))),
    ],
    ids=["cut", "ended early", "error event"],
)
def test_broken_streams_begin_again(connect: Any, server: Endpoint, broken: Any) -> None:
    whole = streamed(passed(1), passed(2), passed(3), RESULT_EVENT)
    server.follow(scripted.refused(503, "overloaded"), broken, whole)
    with connect(server.url) as client:
        *passes, last = watch(client)
    assert [one.number for one in passes] == [1, 2, 3]
    assert isinstance(last, Filled)
    assert len({request.headers["x-request-id"] for request in server.received}) == 1


def test_the_picture_is_given_once(connect: Any, server: Endpoint) -> None:
    server.follow(streamed(passed(1), RESULT_EVENT, cut=True))
    with connect(server.url) as client:
        assert [type(one) for one in watch(client)] == [PassEvent, Filled]
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (scripted.refused(422, "size_mismatch"), 422),
        (streamed(passed(1), event("error", scripted.error("size_mismatch"))), None),
    ],
)
def test_streams_are_refused_at_once(
    connect: Any, server: Endpoint, answer: Any, status: int | None
) -> None:
    server.follow(answer)
    with connect(server.url) as client, pytest.raises(InpaintError) as caught:
        watch(client)
    assert (caught.value.status, caught.value.code) == (status, "size_mismatch")
    assert len(server.received) == 1


def test_streams_can_be_left(connect: Any, server: Endpoint) -> None:
    server.follow(streamed(passed(1), passed(2), RESULT_EVENT))
    with connect(server.url) as client:
        events = client.stream(scripted.png(), scripted.png())
        assert next(events).number == 1
        events.close()
        assert list(events) == []
        assert len(server.received) == 1
        server.follow(streamed(RESULT_EVENT))
        assert len(watch(client)) == 1


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_events_may_arrive_in_any_pieces(ending: bytes) -> None:
    sent = (passed(1) + b"id: 3\n" + passed(2) + RESULT_EVENT).replace(b"\n", ending)
    for size in (1, 2, 7, 1000):
        delivery = Delivery()
        pieces = (sent[start : start + size] for start in range(0, len(sent), size))
        events = [one for piece in pieces for one in delivery.take(piece)]
        assert [type(one) for one in events] == [PassEvent, PassEvent, Filled]
