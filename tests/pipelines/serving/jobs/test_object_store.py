"""Jobs whose folder is a bucket."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict

import pytest

from pipelines.serving.jobs.launcher import Submission
from pipelines.serving.jobs.record import JobRecord, read_record, write_record
from pipelines.storage import exists, join, open_filesystem
from rehearsal.object_store import ObjectStore
from tests.pipelines.serving.jobs.conftest import TOKENS, HandEndpoint, bearer
from tests.pipelines.serving.jobs.hand_run import leave_results, pictures, upload

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_a_bucket_keeps_jobs_as_a_folder_does(
    endpoint_of: Callable[..., HandEndpoint], object_store: ObjectStore
) -> None:
    folder = object_store.uri("jobs")
    endpoint = endpoint_of(jobs_folder=folder)
    job = await endpoint.submit(upload())
    name = job["id"]
    stored = [f"{name}/job.json", f"{name}/upload/masks.png", f"{name}/upload/pictures.zip"]
    assert object_store.names("jobs") == stored
    with zipfile.ZipFile(io.BytesIO(object_store.get(f"jobs/{stored[2]}"))) as archive:
        assert set(archive.namelist()) == set(pictures())
    endpoint.step()
    leave_results(join(folder, name), pictures(2))
    endpoint = endpoint_of(jobs_folder=folder)  # another process
    endpoint.launcher.known[f"{name}-1"] = Submission(state="succeeded")
    endpoint.step()
    shown = await endpoint.get(f"/v1/jobs/{name}")
    assert (shown["state"], shown["counts"]["done"]) == ("finished", 2)
    assert object_store.secret not in str(shown)
    answer = await endpoint.client.get(shown["results"], headers=bearer(TOKENS[0]))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {each: archive.read(each) for each in pictures(2)} == pictures(2)
    thumbnails = await endpoint.get(f"/v1/jobs/{name}/thumbnails")
    assert len(thumbnails["thumbnails"]) == 2


async def test_nothing_of_an_upload_that_was_refused_stays_in_a_bucket(
    endpoint_of: Callable[..., HandEndpoint], object_store: ObjectStore
) -> None:
    endpoint = endpoint_of(jobs_folder=object_store.uri("refused"))
    request = upload(passes=99)
    answer = await endpoint.client.post("/v1/jobs", headers=bearer(TOKENS[0]), **request)
    assert answer.status_code == 422
    assert object_store.names("refused") == []


async def test_old_jobs_leave_a_bucket(
    endpoint_of: Callable[..., HandEndpoint], object_store: ObjectStore
) -> None:
    folder = object_store.uri("old")
    job = await endpoint_of(jobs_folder=folder).submit(upload())
    ended = {"state": "finished", "ended": time.time() - 8 * 86_400}
    record = read_record(join(folder, job["id"]))
    write_record(folder, JobRecord(**{**asdict(record), **ended}))
    endpoint_of(jobs_folder=folder).step()
    assert object_store.names("old") == []


async def test_an_upload_under_way_stays_in_a_bucket_whose_folders_have_no_times(
    endpoint_of: Callable[..., HandEndpoint], object_store: ObjectStore
) -> None:
    folder = object_store.uri("arriving")
    filesystem, path = open_filesystem(join(folder, "a" * 32, "upload"))
    filesystem.create_dir(path, recursive=True)
    endpoint_of(jobs_folder=folder).step()
    assert exists(filesystem, path)
