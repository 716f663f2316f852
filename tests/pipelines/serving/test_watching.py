"""What is counted of each request, and what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.model import InpaintingModel
from tests.pipelines.serving.in_process import HeldUpload, api_of, client_of
from tests.pipelines.serving.pictures import form, hole, mask_of, small

pytestmark = pytest.mark.anyio


class NotedMetrics(IngressMetrics):
    """Metrics that can be read back."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[str, int]] = []
        self.reasons: list[str] = []

    def answered(self, route: str, *, code: int, seconds: float) -> None:
        super().answered(route, code=code, seconds=seconds)
        assert 0 < seconds < 60
        self.answers.append((route, code))

    def rejected(self, reason: str) -> None:
        super().rejected(reason)
        self.reasons.append(reason)


@pytest.fixture(scope="module")
def noted() -> NotedMetrics:
    return NotedMetrics()


@pytest.fixture(scope="module")
async def watched(model: InpaintingModel, noted: NotedMetrics) -> AsyncIterator[httpx.AsyncClient]:
    api = api_of(model, noted)

    async def broken() -> None:
        raise KeyError

    api.add_api_route("/broken/{name}", broken)
    async with client_of(api, raising=False) as client:
        yield client


@pytest.fixture(autouse=True)
def _forget(noted: NotedMetrics) -> None:
    noted.answers.clear()
    noted.reasons.clear()


async def test_requests_are_counted_by_route_and_status(
    watched: httpx.AsyncClient, noted: NotedMetrics, url: str
) -> None:
    await watched.post(url, **small())
    await watched.post(url, **form(b"no picture", mask_of(hole())))
    await watched.get(url)
    assert noted.answers == [(url, 200), (url, 415), (url, 405)]
    assert noted.reasons == ["unsupported_format"]


async def test_paths_that_clients_make_up_are_counted_as_one(
    watched: httpx.AsyncClient, noted: NotedMetrics
) -> None:
    for path in ("/a", "/b/c", "/static/made-up.js"):
        await watched.get(path)
    await watched.get("/broken/made-up")
    assert noted.answers == [("other", 404)] * 3 + [("/broken/{name}", 500)]


async def test_a_client_that_left_is_no_failure_of_ours(
    watched: httpx.AsyncClient, noted: NotedMetrics, url: str
) -> None:
    upload = HeldUpload()
    headers = {"Content-Type": "application/json"}
    task = asyncio.create_task(watched.post(url, content=aiter(upload), headers=headers))
    await upload.read.wait()
    task.cancel()
    await asyncio.wait([task])
    assert noted.answers == [(url, 499)]


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/v1/inpaint", "/nowhere"])
async def test_every_answer_is_safe_in_a_browser(watched: httpx.AsyncClient, path: str) -> None:
    headers = (await watched.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
