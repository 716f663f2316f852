"""Results of a job, as an archive and as thumbnails."""

from __future__ import annotations

import base64
import csv
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipelines.bulk.results import SCHEMA, encode_rows, part_path
from pipelines.serving.jobs.downloads import zip_results
from pipelines.serving.jobs.record import read_record
from tests.pipelines.serving.in_process import error_of
from tests.pipelines.serving.jobs.conftest import TOKENS, HandEndpoint, bearer
from tests.pipelines.serving.jobs.hand_run import leave_results, pictures, row_of, upload
from tests.pipelines.serving.pictures import decoded, encoded, noise

pytestmark = pytest.mark.anyio


async def running(endpoint: HandEndpoint) -> dict[str, Any]:
    job = await endpoint.submit(upload())
    endpoint.step()
    return job


async def download(endpoint: HandEndpoint, job: dict[str, Any]) -> zipfile.ZipFile:
    shown = await endpoint.get(f"/v1/jobs/{job['id']}")
    answer = await endpoint.client.get(shown["results"], headers=bearer(TOKENS[0]))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert f'"{job["id"]}.zip"' in answer.headers["content-disposition"]
    return zipfile.ZipFile(io.BytesIO(answer.content))


async def test_what_is_done_can_be_downloaded_before_the_end(endpoint: HandEndpoint) -> None:
    job = await running(endpoint)
    leave_results(endpoint.location(job), pictures(2))
    leave_results(endpoint.location(job), {"other.png": b"x"}, failures=["bad.png"], unit=1)
    archive = await download(endpoint, job)
    assert archive.testzip() is None
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    found = {name: archive.read(name) for name in archive.namelist()}
    table = found.pop("results.csv")
    assert found == {**pictures(2), "other.png": b"x"}
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    assert list(rows[0]) == SCHEMA.names
    assert {row["input"]: row["status"] for row in rows} == {
        **dict.fromkeys(found, "done"),
        "bad.png": "failed",
    }


async def test_a_job_without_results_has_a_table_without_rows(endpoint: HandEndpoint) -> None:
    archive = await download(endpoint, await running(endpoint))
    assert archive.namelist() == ["results.csv"]
    assert archive.read("results.csv").decode().strip() == ",".join(SCHEMA.names)


async def test_an_archive_is_made_while_it_is_sent(endpoint: HandEndpoint) -> None:
    job = await running(endpoint)
    leave_results(endpoint.location(job), {f"{n}.png": os.urandom(5 * 2**20) for n in range(4)})
    pieces = list(zip_results(read_record(endpoint.location(job))))
    assert len(pieces) > 16
    assert max(map(len, pieces)) < 3 * 2**20


async def test_a_result_that_was_taken_away_is_left_out(endpoint: HandEndpoint) -> None:
    job = await running(endpoint)
    leave_results(endpoint.location(job), pictures(2))
    (Path(endpoint.location(job)) / "output" / "holiday" / "0.png").unlink()
    archive = await download(endpoint, job)
    assert archive.namelist() == ["holiday/1.png", "results.csv"]


@pytest.mark.parametrize("name", ["../../../secret.png", "{folder}/secret.png", "link/secret.png"])
async def test_a_row_that_leads_elsewhere_shows_nothing(
    endpoint: HandEndpoint, name: str, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(noise()))
    job = await running(endpoint)
    output = Path(endpoint.location(job)) / "output"
    (output / part_path(0)).parent.mkdir(parents=True)
    (output / "link").symlink_to(tmp_path)
    row = row_of(name.format(folder=tmp_path))
    (output / part_path(0)).write_bytes(encode_rows([row]))
    assert (await download(endpoint, job)).namelist() == ["results.csv"]
    shown = await endpoint.get(f"/v1/jobs/{job['id']}/thumbnails")
    assert [each["image"] for each in shown["thumbnails"]] == [None]


async def test_thumbnails_are_small_jpegs_a_page_at_a_time(endpoint: HandEndpoint) -> None:
    job = await running(endpoint)
    made = {f"{index}.png": encoded(noise(700, 300)) for index in range(5)}
    leave_results(endpoint.location(job), made, failures=["bad.png"])
    path = f"/v1/jobs/{job['id']}/thumbnails"
    whole = await endpoint.get(path)
    assert whole["total"] == 5
    assert [each["output"] for each in whole["thumbnails"]] == list(made)
    page = await endpoint.get(f"{path}?offset=3&limit=1")
    assert page == {"total": 5, "thumbnails": whole["thumbnails"][3:4]}
    start, _, data = page["thumbnails"][0]["image"].partition(",")
    assert start == "data:image/jpeg;base64"
    assert max(decoded(base64.b64decode(data)).size) == 320
    assert (await endpoint.get(f"{path}?offset=9"))["thumbnails"] == []


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "limit=0", "limit=101", "limit="])
async def test_a_page_that_cannot_be_is_refused(endpoint: HandEndpoint, query: str) -> None:
    job = await endpoint.submit(upload())
    path = f"/v1/jobs/{job['id']}/thumbnails?{query}"
    answer = await endpoint.client.get(path, headers=bearer(TOKENS[0]))
    assert (answer.status_code, error_of(answer)["code"]) == (422, "invalid_option")


async def test_a_result_that_is_no_picture_any_more_has_no_thumbnail(
    endpoint: HandEndpoint,
) -> None:
    job = await running(endpoint)
    leave_results(endpoint.location(job), {"a.png": b"changed", **pictures(1)})
    shown = await endpoint.get(f"/v1/jobs/{job['id']}/thumbnails")
    found = {each["output"]: each["image"] is not None for each in shown["thumbnails"]}
    assert found == {"a.png": False, "holiday/0.png": True}
