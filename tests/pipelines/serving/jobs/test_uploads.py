"""Jobs over pictures that come with the request."""

from __future__ import annotations

import os
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.serving.jobs.record import read_config, read_record
from tests.pipelines.serving.in_process import error_of
from tests.pipelines.serving.jobs.conftest import TOKENS, HandEndpoint, bearer
from tests.pipelines.serving.jobs.hand_run import archive_of, pictures, upload
from tests.pipelines.serving.pictures import encoded, noise

pytestmark = pytest.mark.anyio

HEADERS = bearer(TOKENS[0])


async def refused(endpoint: HandEndpoint, status: int, code: str, **request: Any) -> dict[str, Any]:
    """Ask for a job that is not taken, and of which nothing may be left."""
    answer = await endpoint.client.post("/v1/jobs", headers=HEADERS, **request)
    assert answer.status_code == status, answer.text
    error = error_of(answer)
    assert error["code"] == code, error
    assert not endpoint.folder.exists() or list(endpoint.folder.iterdir()) == []
    return error


async def test_an_upload_becomes_a_job_that_waits(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload(strategy="crop", passes=3))
    assert job["state"] == "queued"
    assert job["uploaded"]
    assert (job["input"], job["masks"], job["output"]) == ("holiday.zip", "mask.png", None)
    assert job["counts"] == {"total": None, "done": 0, "failed": 0}
    assert job["options"]["strategy"] == "crop"
    assert job["results"] is None


async def test_what_was_sent_is_stored_and_nothing_else(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    folder = Path(endpoint.location(job))
    stored = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert stored == {"job.json", "upload/pictures.zip", "upload/masks.png"}
    with zipfile.ZipFile(folder / "upload" / "pictures.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == pictures()


async def test_a_job_keeps_to_its_own_folder_and_to_the_model_that_is_served(
    endpoint: HandEndpoint, small_checkpoint: Path
) -> None:
    job = await endpoint.submit(upload(passes=3, quality=70))
    location = endpoint.location(job)
    config = read_config(read_record(location))
    assert config.within == (location,)
    assert config.output == f"{location}/output"
    assert config.checkpoint == str(small_checkpoint)
    assert (config.reconstruction.max_passes, config.quality) == (3, 70)
    assert config.niceness > 0
    assert job["model_version"].startswith("first/model:")


@pytest.mark.parametrize("masks", ["alpha", "chroma:00ff00"])
async def test_pictures_may_hold_their_masks(endpoint: HandEndpoint, masks: str) -> None:
    job = await endpoint.submit(upload(masks))
    assert job["masks"] == masks
    assert read_record(endpoint.location(job)).config["masks"] == masks


async def test_masks_may_be_an_archive_whatever_it_is_called(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload(archive_of({"holiday/0.png": b"", "holiday/1.png": b""})))
    masks = Path(read_record(endpoint.location(job)).config["masks"])
    assert masks.name == "masks.zip"
    assert zipfile.is_zipfile(masks)


async def test_an_archive_is_known_in_whatever_parts_it_comes(endpoint: HandEndpoint) -> None:
    whole = httpx.Request("POST", "http://x", **upload())
    sent = whole.read()
    start = sent.index(b"PK\3\4")

    async def body() -> AsyncIterator[bytes]:
        yield sent[: start + 1]
        yield sent[start + 1 :]

    headers = {"Content-Type": whole.headers["content-type"], **HEADERS}
    answer = await endpoint.client.post("/v1/jobs", headers=headers, content=body())
    assert answer.status_code == 202, answer.text
    stored = Path(endpoint.location(answer.json())) / "upload" / "pictures.zip"
    assert zipfile.is_zipfile(stored)


@pytest.mark.parametrize(
    "masks", ["column:mask", "/etc/passwd", "../upload", "chroma:red", "s3://bucket/masks", ""]
)
async def test_text_that_names_a_place_is_no_mask_of_an_upload(
    endpoint: HandEndpoint, masks: str
) -> None:
    status, code = (422, "invalid_input") if masks else (400, "bad_request")
    await refused(endpoint, status, code, **upload(masks))


async def test_names_of_files_lead_nowhere(endpoint: HandEndpoint) -> None:
    request = upload()
    for name, (_, data) in request["files"].items():
        request["files"][name] = (f"../../../{name}.zip.png", data)
    job = await endpoint.submit(request)
    assert job["input"] == "../../../pictures.zip.png"
    assert read_record(endpoint.location(job)).config["input"].startswith(endpoint.location(job))


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"files": {"pictures": ("a.zip", b"no archive")}}, 422, "no_archive"),
        ({"files": {"pictures": ("a.zip", b"PK\3\4 and then nothing")}}, 422, "no_archive"),
        ({"files": {"pictures": ("a.zip", b"P")}}, 422, "no_archive"),
        ({"files": {"pictures": ("a.zip", b"")}}, 400, "bad_request"),
        ({"files": {"masks": ("m.png", b"")}}, 400, "bad_request"),
        ({"files": {"pictures": ("a.zip", archive_of(pictures())[:-30])}}, 422, "no_archive"),
        ({"files": {"masks": ("m.png", b"no picture")}}, 415, "unsupported_format"),
        ({"files": {"image": ("a.png", b"x")}}, 400, "bad_request"),
        ({"data": {"passes": "12"}}, 422, "invalid_option"),
        ({"data": {"strategy": "tiles"}}, 422, "invalid_option"),
        ({"data": {"output": "/elsewhere"}}, 422, "invalid_option"),
        ({"data": {"mask_suffix": "x" * 5000}}, 400, "bad_request"),
    ],
)
async def test_what_no_job_can_use_is_refused_and_forgotten(
    endpoint: HandEndpoint, change: dict[str, Any], status: int, code: str
) -> None:
    request = upload()
    for part, values in change.items():
        request[part] = {**request[part], **values}
    await refused(endpoint, status, code, **request)


async def test_both_files_are_needed(endpoint: HandEndpoint) -> None:
    for missing in ("pictures", "masks"):
        request = upload()
        del request["files"][missing]
        error = await refused(endpoint, 400, "bad_request", **request)
        assert missing in error["message"]


async def test_another_type_of_content_is_refused_before_it_is_read(endpoint: HandEndpoint) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("read")
        yield b""

    await refused(endpoint, 415, "unsupported_media_type", content=body())


async def test_an_upload_ends_at_its_limit(endpoint_of: Callable[..., HandEndpoint]) -> None:
    endpoint = endpoint_of(max_upload_bytes=100_000)
    request = upload()
    request["files"]["pictures"] = ("a.zip", archive_of({"a.png": os.urandom(200_000)}))
    error = await refused(endpoint, 413, "too_many_bytes", **request)
    assert error["limit"] == {"name": "max_upload_bytes", "value": 100_000}


async def test_an_upload_without_a_length_ends_at_its_limit_too(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    endpoint = endpoint_of(max_upload_bytes=100_000)
    sent = 0
    whole = httpx.Request("POST", "http://x", **upload())
    kind = {"Content-Type": whole.headers["content-type"], **HEADERS}

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        boundary = kind["Content-Type"].partition("boundary=")[2]
        disposition = 'form-data; name="pictures"; filename="a.zip"'
        yield f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        while True:
            sent += 10_000
            yield os.urandom(10_000)

    answer = await endpoint.client.post("/v1/jobs", headers=kind, content=body())
    assert answer.status_code == 413
    assert sent <= 120_000
    assert list(endpoint.folder.iterdir()) == []


async def test_memory_holds_a_part_of_an_upload(endpoint: HandEndpoint) -> None:
    size = 32 * 2**20
    request = upload("alpha")
    packed = archive_of({"a.png": os.urandom(size)})
    whole = httpx.Request(
        "POST", "http://x", files={"pictures": ("a.zip", packed)}, data={"masks": "alpha"}
    )
    sent = whole.read()
    del packed, request

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(sent), 2**16):
            yield sent[start : start + 2**16]

    headers = {"Content-Type": whole.headers["content-type"], **HEADERS}
    tracemalloc.start()
    try:
        answer = await endpoint.client.post("/v1/jobs", headers=headers, content=body())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 202
    assert peak < size / 4


async def test_an_archive_that_unpacks_to_too_much_is_refused(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    endpoint = endpoint_of(max_unpacked_bytes=10_000)
    picture = encoded(noise(100, 100))
    request = upload()
    request["files"]["pictures"] = ("a.zip", archive_of({"a.png": picture}))
    error = await refused(endpoint, 413, "too_many_bytes", **request)
    assert error["limit"] == {"name": "max_unpacked_bytes", "value": 10_000}
