"""Uploads and downloads that take long: whom they keep out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from pipelines.serving.jobs.api import _MOST_TRANSFERS_PER_CLIENT as SHARE
from tests.pipelines.serving.in_process import HeldUpload, error_of, until
from tests.pipelines.serving.jobs.conftest import TOKENS, HandEndpoint, bearer
from tests.pipelines.serving.jobs.hand_run import upload
from tests.pipelines.serving.pictures import encoded, hole, mask_of, noise

pytestmark = pytest.mark.anyio

FORM = {"Content-Type": "multipart/form-data; boundary=x"}


async def begin_uploads(endpoint: HandEndpoint, stack: AsyncExitStack, token: str) -> None:
    """Begin as many uploads as a client may have, and end them with the stack."""
    held = [HeldUpload(b"--x\r\n") for _ in range(SHARE)]
    headers = {**FORM, **bearer(token)}
    sent = [
        asyncio.create_task(endpoint.client.post("/v1/jobs", content=aiter(each), headers=headers))
        for each in held
    ]

    async def end() -> None:
        for each in held:
            each.end.set()
        await asyncio.gather(*sent)

    stack.push_async_callback(end)
    await until(lambda: all(each.read.is_set() for each in held))


async def test_slow_uploads_keep_no_picture_out(endpoint_of: Callable[..., HandEndpoint]) -> None:
    endpoint = endpoint_of(max_requests=1, max_requests_per_client=1)
    async with AsyncExitStack() as stack:
        await begin_uploads(endpoint, stack, TOKENS[0])
        files = {"image": encoded(noise()), "mask": mask_of(hole())}
        answer = await endpoint.client.post("/v1/inpaint", files=files, headers=bearer(TOKENS[0]))
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("what", ["upload", "results", "thumbnails"])
async def test_a_client_has_its_share_of_transfers(endpoint: HandEndpoint, what: str) -> None:
    jobs = {token: await endpoint.submit(upload(), token) for token in TOKENS}
    endpoint.step()

    async def ask(token: str) -> Any:
        if what == "upload":
            return await endpoint.client.post("/v1/jobs", headers=bearer(token), **upload())
        path = f"/v1/jobs/{jobs[token]['id']}/{what}"
        return await endpoint.client.get(path, headers=bearer(token))

    async with AsyncExitStack() as stack:
        await begin_uploads(endpoint, stack, TOKENS[0])
        refused = await ask(TOKENS[0])
        assert refused.status_code == 429
        assert error_of(refused)["limit"]["name"] == "max_transfers_per_client"
        assert (await ask(TOKENS[1])).is_success
    assert (await ask(TOKENS[0])).is_success


async def test_a_download_gives_its_place_back(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    endpoint.step()
    for _ in range(SHARE + 1):
        path = f"/v1/jobs/{job['id']}/results"
        assert (await endpoint.client.get(path, headers=bearer(TOKENS[0]))).status_code == 200
