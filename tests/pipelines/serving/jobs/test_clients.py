"""Whose jobs are whose, and how many a client may have."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.pipelines.serving.in_process import client_of, error_of
from tests.pipelines.serving.jobs.conftest import TOKENS, HandEndpoint, bearer
from tests.pipelines.serving.jobs.hand_run import leave_results, upload

pytestmark = pytest.mark.anyio

ROUTES = (
    ("GET", "/v1/jobs/{}"),
    ("DELETE", "/v1/jobs/{}"),
    ("GET", "/v1/jobs/{}/results"),
    ("GET", "/v1/jobs/{}/thumbnails"),
)


async def test_a_client_sees_its_own_jobs_newest_first(endpoint: HandEndpoint) -> None:
    mine = [await endpoint.submit(upload()) for _ in range(2)]
    other = await endpoint.submit(upload(), token=TOKENS[1])
    listed = (await endpoint.get("/v1/jobs"))["jobs"]
    assert [job["id"] for job in listed] == [mine[1]["id"], mine[0]["id"]]
    assert [job["id"] for job in (await endpoint.get("/v1/jobs", TOKENS[1]))["jobs"]] == [
        other["id"]
    ]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_anothers_job_is_not_there(endpoint: HandEndpoint, method: str, path: str) -> None:
    job = await endpoint.submit(upload())
    for id_ in (job["id"], "0" * 32, "..", "x", job["id"].upper(), f"{job['id']}%0A"):
        url = path.format(id_)
        answer = await endpoint.client.request(method, url, headers=bearer(TOKENS[1]))
        assert answer.status_code == 404, url
        error = error_of(answer)
        assert error["code"] in ("no_such_job", "not_found")
    assert (await endpoint.get(f"/v1/jobs/{job['id']}"))["state"] == "queued"


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("POST", "/v1/jobs"), ("GET", "/v1/jobs")])
async def test_without_a_token_there_is_nothing(
    endpoint: HandEndpoint, method: str, path: str
) -> None:
    answer = await endpoint.client.request(method, path.format("0" * 32))
    assert (answer.status_code, error_of(answer)["code"]) == (401, "unauthorized")


async def test_jobs_stay_with_their_token_whatever_others_are_accepted(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    first = endpoint_of(tokens=("a", "b"))
    job = await first.submit(upload(), token="b")
    changed = endpoint_of(tokens=("b", "c"))
    assert (await changed.get(f"/v1/jobs/{job['id']}", token="b"))["id"] == job["id"]
    assert (await changed.get("/v1/jobs", token="c")) == {"jobs": []}


async def test_the_token_is_not_written_down(endpoint_of: Callable[..., HandEndpoint]) -> None:
    endpoint = endpoint_of(tokens=("very-secret",))
    await endpoint.submit(upload(), token="very-secret")
    files = [path for path in endpoint.folder.rglob("*") if path.is_file()]
    assert files
    assert not any(b"very-secret" in path.read_bytes() for path in files)


async def test_jobs_of_a_client_are_limited_and_those_of_others_are_not_counted(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    endpoint = endpoint_of(max_jobs_per_client=2)
    jobs = [await endpoint.submit(upload()) for _ in range(2)]
    answer = await endpoint.client.post("/v1/jobs", headers=bearer(TOKENS[0]), **upload())
    assert answer.status_code == 429
    assert error_of(answer)["limit"] == {"name": "max_jobs_per_client", "value": 2}
    assert int(answer.headers["retry-after"]) > 0
    await endpoint.submit(upload(), token=TOKENS[1])
    await endpoint.client.delete(f"/v1/jobs/{jobs[0]['id']}", headers=bearer(TOKENS[0]))
    await endpoint.submit(upload())
    assert len(list(endpoint.folder.iterdir())) == 4


async def test_what_a_client_stores_is_limited(endpoint_of: Callable[..., HandEndpoint]) -> None:
    endpoint = endpoint_of(max_stored_bytes_per_client=30_000)
    await endpoint.submit(upload())
    answer = await endpoint.client.post("/v1/jobs", headers=bearer(TOKENS[0]), **upload("alpha"))
    for _ in range(4):
        answer = await endpoint.client.post(
            "/v1/jobs", headers=bearer(TOKENS[0]), **upload("alpha")
        )
    assert answer.status_code == 429
    error = error_of(answer)
    assert (error["code"], error["limit"]["name"]) == (
        "too_much_stored",
        "max_stored_bytes_per_client",
    )
    await endpoint.submit(upload(), token=TOKENS[1])


async def test_a_job_that_writes_more_than_its_client_may_store_is_ended(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    endpoint = endpoint_of(max_stored_bytes_per_client=100_000, max_running_jobs=3)
    job, sibling = [await endpoint.submit(upload()) for _ in range(2)]
    other = await endpoint.submit(upload(), token=TOKENS[1])
    endpoint.step()
    leave_results(endpoint.location(job), {"large.png": bytes(100_000)})
    for _ in range(2):
        assert endpoint.step()
    shown = await endpoint.get(f"/v1/jobs/{job['id']}")
    assert (shown["state"], shown["counts"]["done"]) == ("failed", 1)
    assert "max_stored_bytes_per_client is 100,000" in shown["error"]
    answer = await endpoint.client.get(shown["results"], headers=bearer(TOKENS[0]))
    assert len(answer.content) > 100_000
    assert (await endpoint.get(f"/v1/jobs/{sibling['id']}"))["state"] == "running"
    assert (await endpoint.get(f"/v1/jobs/{other['id']}", TOKENS[1]))["state"] == "running"
    refused = await endpoint.client.post("/v1/jobs", headers=bearer(TOKENS[0]), **upload())
    assert error_of(refused)["code"] == "too_much_stored"


async def test_what_a_running_job_takes_is_measured_now_and_then(
    endpoint_of: Callable[..., HandEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = endpoint_of(max_stored_bytes_per_client=100_000)
    job = await endpoint.submit(upload())
    for _ in range(2):
        assert endpoint.step()
    leave_results(endpoint.location(job), {"large.png": bytes(100_000)})
    endpoint.step()
    assert not endpoint.launcher.stopped
    later = time.monotonic() + 11
    monkeypatch.setattr(time, "monotonic", lambda: later)
    endpoint.step()
    assert endpoint.launcher.stopped == {f"{job['id']}-1"}


async def test_an_open_endpoint_has_one_client(endpoint_of: Callable[..., HandEndpoint]) -> None:
    endpoint = endpoint_of(tokens=())
    job = await endpoint.submit(upload())
    assert [each["id"] for each in (await endpoint.get("/v1/jobs"))["jobs"]] == [job["id"]]
    foreign = {"Origin": "https://elsewhere.example"}
    answer = await endpoint.client.post("/v1/jobs", headers=foreign, **upload())
    assert (answer.status_code, error_of(answer)["code"]) == (403, "foreign_origin")


async def test_the_model_says_what_jobs_may_do(endpoint_of: Callable[..., HandEndpoint]) -> None:
    bucket = "s3://key:secret@bucket/photos"
    roots = ("/photos", f"{bucket}?endpoint_override=inner:9000&region=x")
    endpoint = endpoint_of(job_roots=roots, max_running_jobs=3)
    assert (await endpoint.get("/v1/model"))["jobs"] == {
        "roots": ["/photos", "s3://***@bucket/photos"],
        "max_upload_bytes": 256 * 2**20,
        "max_running_jobs": 3,
        "max_jobs_per_client": 8,
    }


async def test_without_a_folder_there_are_no_jobs(build: Any) -> None:
    async with client_of(build()) as client:
        for method, path in [*ROUTES, ("POST", "/v1/jobs"), ("GET", "/v1/jobs")]:
            answer = await client.request(method, path.format("0" * 32))
            error = error_of(answer)
            assert (answer.status_code, error["code"]) == (404, "jobs_off")
            assert "jobs_folder" in error["message"]
        assert (await client.get("/v1/model")).json()["jobs"] is None
