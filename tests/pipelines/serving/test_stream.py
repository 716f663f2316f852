"""A stream of passes: its order, its end, and what ends it early."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from PIL import Image

from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.model import InpaintingModel
from pipelines.serving.regions import ModelLocation, RegionFill, RegionRequest
from tests.pipelines.serving.in_process import (
    api_of,
    client_of,
    error_of,
    events_of,
    listening,
    noted_passes,
    until,
)
from tests.pipelines.serving.pictures import decoded, encoded, form, hole, mask_of, noise, small

pytestmark = pytest.mark.anyio

URL = "/v1/inpaint/stream"
WIDE, HIGH = 520, 50


def two_regions(**options: Any) -> dict[str, Any]:
    """Build a request of two windows."""
    missing = np.zeros((HIGH, WIDE), dtype=bool)
    missing[10:30, 8:40] = missing[5:25, WIDE - 30 : WIDE - 12] = True
    return form(encoded(noise(WIDE, HIGH)), mask_of(missing), strategy="crop", **options)


def picture_of(event: dict[str, Any]) -> bytes:
    return base64.b64decode(event["image"].partition(",")[2], validate=True)


class SlowModel:
    """The real model, with a pause before every pass but the first."""

    def __init__(self, model: InpaintingModel, *, seconds: float) -> None:
        self._model = model
        self._seconds = seconds
        self.open = 0
        """Regions that are being filled."""
        self.taken = 0
        """Fills that were asked for after another."""

    async def solve(self, request: RegionRequest) -> RegionFill:
        return await self._model.solve(request)

    async def passes(self, request: RegionRequest) -> AsyncGenerator[RegionFill]:
        self.open += 1
        try:
            async for fill in self._model.passes(request):
                yield fill
                self.taken += 1
                await asyncio.sleep(self._seconds)
        finally:
            self.open -= 1

    async def describe(self) -> dict[str, Any]:
        return await self._model.describe()

    async def location(self) -> ModelLocation:
        return await self._model.location()


async def test_there_is_an_event_for_each_pass_and_then_the_result(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post(URL, **two_regions(passes=3, threshold=0))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    *passes, (last, result) = events_of(response.text)
    assert last == "result"
    assert {name for name, _ in passes} == {"pass"}
    assert {event["regions"] for _, event in passes} == {2}
    for region in (0, 1):
        assert [event["pass"] for _, event in passes if event["region"] == region] == [1, 2, 3]
    assert result["passes"] == 3
    assert result["model_ms"] > 0
    assert result["queue_ms"] >= 0
    assert 0 < result["hole_ratio"] < 1


async def test_the_result_is_what_the_other_way_of_asking_gives(client: httpx.AsyncClient) -> None:
    request = two_regions(passes=3, threshold=0)
    whole = await client.post("/v1/inpaint", **request)
    _, result = events_of((await client.post(URL, **request)).text)[-1]
    assert picture_of(result) == whole.content
    assert result["image"].startswith(f"data:{whole.headers['content-type']};base64,")
    assert result["model_version"] == whole.headers["x-model-version"]
    assert f"{result['hole_ratio']:.6f}" == whole.headers["x-hole-ratio"]


async def test_each_pass_shows_the_whole_picture_as_it_stands(client: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.full((75, 50, 3), 128, np.uint8))
    request = form(encoded(stored, exif=exif), mask_of(hole()), passes=3, threshold=0)
    *passes, _ = events_of((await client.post(URL, **request)).text)
    ratios = [event["hole_ratio"] for _, event in passes]
    assert ratios == sorted(ratios, reverse=True)
    for _, event in passes:
        shown = decoded(picture_of(event))
        assert (shown.format, shown.size) == ("JPEG", (75, 50))  # in display orientation
        known = np.asarray(shown)[35:, 40:].astype(int)  # far from the hole
        assert np.abs(known - 128).max() <= 2


async def test_without_a_hole_the_result_comes_alone(client: httpx.AsyncClient) -> None:
    request = form(encoded(noise()), mask_of(np.zeros_like(hole())))
    ((name, result),) = events_of((await client.post(URL, **request)).text)
    assert (name, result["passes"]) == ("result", 0)
    assert np.array_equal(np.asarray(decoded(picture_of(result))), np.asarray(noise()))


async def test_an_error_before_the_first_pass_is_an_ordinary_answer(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post(URL, **form(b"no picture", mask_of(hole())))
    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_format"


async def test_an_error_after_a_pass_is_the_last_event(
    model: InpaintingModel, ingress_metrics: IngressMetrics
) -> None:
    slow = SlowModel(model, seconds=30)
    async with client_of(api_of(slow, ingress_metrics, max_seconds=3, max_requests=1)) as client:
        response = await client.post(URL, **small(passes=3, threshold=0))
        first, last = events_of(response.text)
        assert response.status_code == 200
        assert (first[0], first[1]["pass"]) == ("pass", 1)
        assert last[0] == "error"
        assert last[1]["error"]["code"] == "timeout"
        assert last[1]["error"]["limit"] == {"name": "max_seconds", "value": 3}
        assert slow.open == 0
        assert (await client.post("/v1/inpaint", **small())).status_code == 200


async def test_a_mistake_of_ours_after_a_pass_is_an_event_without_its_words(
    model: InpaintingModel, ingress_metrics: IngressMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(SlowModel):
        async def passes(self, request: RegionRequest) -> AsyncGenerator[RegionFill]:
            async for fill in self._model.passes(request):
                yield fill
                raise KeyError("secret")

    async with client_of(api_of(Broken(model, seconds=0), ingress_metrics)) as client:
        response = await client.post(URL, **small(passes=2, threshold=0))
    name, event = events_of(response.text)[-1]
    assert (name, event["error"]["code"]) == ("error", "internal")
    assert "secret" not in response.text
    assert "secret" in caplog.text


async def test_passes_arrive_as_they_are_made(
    model: InpaintingModel, ingress_metrics: IngressMetrics
) -> None:
    slow = SlowModel(model, seconds=30)
    async with (
        asyncio.timeout(10),
        listening(api_of(slow, ingress_metrics)) as client,
        client.stream("POST", URL, **small(passes=2, threshold=0)) as response,
    ):
        async for line in response.aiter_lines():
            assert line == "event: pass"
            break


async def test_a_client_that_leaves_frees_its_place_and_the_model(
    model: InpaintingModel, ingress_metrics: IngressMetrics
) -> None:
    watched = SlowModel(model, seconds=0)
    api = api_of(watched, ingress_metrics, max_requests=1)
    with noted_passes(seconds=0.3) as made:
        async with listening(api) as client:
            async with client.stream("POST", URL, **two_regions(threshold=0)) as response:
                reading = response.aiter_bytes()
                await anext(reading)
                assert (await client.post(URL, **small())).status_code == 503
                assert watched.open == 2
            await until(lambda: watched.open == 0)
            assert (await client.post("/v1/inpaint", **small())).status_code == 200
    assert len(made) < 11  # both regions in each pass
    assert made[-1] == 1


async def test_passes_do_not_pile_up_for_a_client_that_does_not_read(
    model: InpaintingModel, ingress_metrics: IngressMetrics
) -> None:
    size = (1000, 1000)  # an event is larger than what the socket and the server hold back
    missing = np.zeros(size[::-1], dtype=bool)
    missing[::24, ::24] = True
    request = form(encoded(noise(*size)), mask_of(missing), strategy="resize", threshold=0)
    watched = SlowModel(model, seconds=0)
    async with (
        listening(api_of(watched, ingress_metrics)) as client,
        client.stream("POST", URL, **request) as response,
    ):
        reading = response.aiter_bytes()
        await anext(reading)
        await asyncio.sleep(1)
        assert watched.taken < 8
        rest = b"".join([piece async for piece in reading])
    assert watched.taken == 11
    assert rest.count(b"event: ") >= 11


async def test_of_many_previews_the_later_ones_are_few_and_small(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.serving.service._LARGE_PREVIEWS", 2)
    response = await client.post(URL, **two_regions(threshold=0, passes=4))
    shown = [data for name, data in events_of(response.text) if name == "pass"]
    assert [data["pass"] for data in shown[2:]] == [4, 4]
    widths = [decoded(picture_of(data)).width for data in shown]
    assert widths == [WIDE, WIDE, 320, 320]


async def test_events_are_what_the_description_says(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    answer = described["paths"][URL]["post"]["responses"]["200"]
    kinds = answer["content"]["text/event-stream"]["itemSchema"]["oneOf"]
    contents = {
        kind["properties"]["event"]["const"]: kind["properties"]["data"]["contentSchema"]
        for kind in kinds
    }
    assert list(contents) == ["pass", "result", "error"]
    response = await client.post(URL, **small(passes=2, threshold=0))
    for name, event in events_of(response.text):
        jsonschema.validate(event, contents[name])
        assert set(event) == set(contents[name]["required"])
