"""Jobs over pictures that the cluster sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.serving.jobs.record import read_config, read_record
from tests.pipelines.serving.in_process import error_of
from tests.pipelines.serving.jobs.conftest import TOKENS, HandEndpoint, bearer

pytestmark = pytest.mark.anyio


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that jobs may use."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def confined(endpoint_of: Callable[..., HandEndpoint], root: Path) -> HandEndpoint:
    return endpoint_of(job_roots=(str(root),))


def body(root: Path, **changes: Any) -> dict[str, Any]:
    places = {"input": f"{root}/in", "masks": f"{root}/masks", "output": f"{root}/out"}
    return {"json": {**places, **changes}}


async def refused(endpoint: HandEndpoint, code: str, status: int = 422, **request: Any) -> str:
    answer = await endpoint.client.post("/v1/jobs", headers=bearer(TOKENS[0]), **request)
    assert answer.status_code == status, answer.text
    error = error_of(answer)
    assert error["code"] == code
    return str(error["message"])


async def test_a_job_may_use_places_below_a_root(confined: HandEndpoint, root: Path) -> None:
    job = await confined.submit(body(root, mask_suffix="_mask", max_failures=3))
    assert (job["input"], job["output"], job["uploaded"]) == (f"{root}/in", f"{root}/out", False)
    config = read_config(read_record(confined.location(job)))
    assert (config.input, config.output) == (f"{root}/in", f"{root}/out")
    assert config.within == (str(root),)
    assert (config.mask_suffix, config.max_failures) == ("_mask", 3)


@pytest.mark.parametrize("masks", ["alpha", "chroma:#0f0000", "column:mask"])
async def test_masks_need_be_no_place(confined: HandEndpoint, root: Path, masks: str) -> None:
    assert (await confined.submit(body(root, masks=masks)))["masks"] == masks


@pytest.mark.parametrize("name", ["input", "masks", "output"])
@pytest.mark.parametrize(
    "place", ["/etc", "{root}/../other", "{root}-other", "link", "s3://bucket/x", "file:///etc"]
)
async def test_no_place_lies_elsewhere(
    confined: HandEndpoint, root: Path, name: str, place: str
) -> None:
    (root / "link").symlink_to("/etc")
    given = f"{root}/link/x" if place == "link" else place.format(root=root)
    message = await refused(confined, "invalid_input", **body(root, **{name: given}))
    assert name in message


async def test_without_roots_jobs_take_uploads_only(endpoint: HandEndpoint, root: Path) -> None:
    assert "job_roots" in await refused(endpoint, "no_roots", **body(root))


async def test_two_jobs_do_not_write_to_one_place(confined: HandEndpoint, root: Path) -> None:
    first = await confined.submit(body(root))
    await refused(confined, "output_in_use", **body(root, output=f"{root}/in/../out"))
    await confined.client.delete(f"/v1/jobs/{first['id']}", headers=bearer(TOKENS[0]))
    await confined.submit(body(root))


@pytest.mark.parametrize("other", ["out/", "./out", "out/deeper", "", "x/../out"])
async def test_a_jobs_output_lies_neither_in_nor_around_anothers(
    confined: HandEndpoint, root: Path, other: str
) -> None:
    await confined.submit(body(root))
    await refused(confined, "output_in_use", **body(root, output=f"{root}/{other}"))
    await confined.submit(body(root, output=f"{root}/out-2"))


@pytest.mark.parametrize("other", ["out/", "o%75t", "out//", "S3:out", "out/deeper", ""])
async def test_an_output_is_one_however_its_uri_is_spelled(
    endpoint_of: Callable[..., HandEndpoint], other: str
) -> None:
    endpoint = endpoint_of(job_roots=("s3://key:secret@bucket/photos?region=us-east-1",))
    places = {"input": "s3://bucket/photos/in", "masks": "alpha"}
    await endpoint.submit({"json": {**places, "output": "s3://bucket/photos/out"}})
    scheme, _, path = other.rpartition(":")
    output = f"{scheme or 's3'}://bucket/photos/{path}"
    await refused(endpoint, "output_in_use", json={**places, "output": output})
    await endpoint.submit({"json": {**places, "output": "s3://bucket/photos/output"}})


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"json": {"input": "x"}}, 400, "bad_request"),
        ({"json": []}, 400, "bad_request"),
        ({"json": {"input": "x", "masks": "alpha", "output": "y", "passes": "3"}}, 422, None),
        ({"json": {"input": "x", "masks": "alpha", "output": "y", "within": []}}, 422, None),
        ({"json": {"input": "x" * 5000, "masks": "alpha", "output": "y"}}, 422, None),
        ({"json": {"input": "a\0b", "masks": "alpha", "output": "y"}}, 422, "invalid_input"),
        ({"json": {"input": "x", "masks": "chroma:red", "output": "y"}}, 422, "invalid_input"),
        ({"json": {"input": "x" * 70_000}}, 413, "too_many_bytes"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "bad_request"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    confined: HandEndpoint, request_: dict[str, Any], status: int, code: str | None
) -> None:
    headers = {**request_.pop("headers", {}), **bearer(TOKENS[0])}
    answer = await confined.client.post("/v1/jobs", headers=headers, **request_)
    assert answer.status_code == status, answer.text
    assert error_of(answer)["code"] == (code or "invalid_option")


async def test_a_roots_password_is_kept_from_clients(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    endpoint = endpoint_of(job_roots=("s3://key:secret@bucket/photos?region=us-east-1",))
    places = {"input": "in", "masks": "masks", "output": "out"}
    given = {name: f"s3://bucket/photos/{last}" for name, last in places.items()}
    job = await endpoint.submit({"json": given})
    assert read_record(endpoint.location(job)).config["input"].startswith("s3://key:secret@")
    said = [job, await endpoint.get(f"/v1/jobs/{job['id']}"), await endpoint.get("/v1/model")]
    assert "secret" not in str(said)
    assert "bucket/photos" in str(said)
