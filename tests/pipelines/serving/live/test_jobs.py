"""Bulk jobs of a real endpoint, whatever dies while they run."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.pipelines.serving.endpoint_process import EndpointProcess, command_line
from tests.pipelines.serving.live.conftest import TOKENS
from tests.pipelines.serving.live.job_client import JobClient, pictures
from tests.pipelines.serving.traffic import sample

pytestmark = [pytest.mark.slow, pytest.mark.ray]

DRIVER = "pipelines.serving.jobs.driver"


@pytest.fixture(scope="module")
def _office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointProcess]:
    folder = tmp_path_factory.mktemp("office")
    (folder / "tokens").write_text("\n".join(TOKENS))
    process = EndpointProcess(folder, "--tokens-file", folder / "tokens", "--max-batch", 2)
    yield process
    if process.running:
        process.stop(signal.SIGTERM)


@pytest.fixture
def office(_office: EndpointProcess) -> EndpointProcess:
    """An endpoint with jobs, whose units are small; a test may stop it."""
    if not _office.running:
        _office.start()
        _office.wait_until_ready()
    return _office


@pytest.fixture
def client(office: EndpointProcess) -> JobClient:
    return JobClient(office.url, TOKENS[0])


def drivers(office: EndpointProcess) -> list[psutil.Process]:
    """The processes that drive jobs; not the shells that they are started by."""
    found = [each for each in office.family() if DRIVER in command_line(each)]
    return [each for each in found if each.name().startswith("python")]


def written(office: EndpointProcess, job: str) -> dict[str, int]:
    """The results of a job by path, and when each was written."""
    folder = office.folder / "runs" / "jobs" / job / "output"
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def test_uploaded_pictures_are_filled_while_the_endpoint_answers(
    office: EndpointProcess, client: JobClient
) -> None:
    album = pictures(10)
    job = client.submit(album, threshold=0)
    other = JobClient(office.url, TOKENS[1])
    client.wait_for_pictures(job, 1)
    small = sample(64, 64)
    answer = client.http.request(**small.request())
    small.require_kept(answer.raise_for_status().content)
    assert other.http.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert other.http.get("/v1/jobs").json() == {"jobs": []}
    done = client.finish(job)
    assert done["counts"] == {"total": 10, "done": 10, "failed": 0}
    client.require_all_filled(job, album)
    shown = client.http.get(f"/v1/jobs/{job['id']}/thumbnails?limit=5").json()
    assert (shown["total"], len(shown["thumbnails"])) == (10, 5)


def test_a_job_goes_on_when_its_keeper_and_its_process_are_killed(
    office: EndpointProcess, client: JobClient
) -> None:
    album = pictures(20)
    job = client.submit(album, threshold=0)
    client.wait_for_pictures(job, 1)
    (driver,) = drivers(office)
    office.kill_replicas("Jobs", 1)
    client.wait_for_pictures(job, 4)
    before = written(office, job["id"])
    assert drivers(office) == [driver]
    assert office.output.count("was lost") == 0
    driver.kill()
    client.finish(job)
    client.require_all_filled(job, album)
    after = written(office, job["id"])
    assert sum(after[path] == when for path, when in before.items()) >= 2


@pytest.mark.extended
def test_cancelling_keeps_what_is_done(office: EndpointProcess, client: JobClient) -> None:
    album = pictures(60)
    job = client.submit(album, threshold=0)
    client.wait_for_pictures(job, 1)
    assert client.http.delete(f"/v1/jobs/{job['id']}").status_code == 202
    ended = client.wait(job, lambda now: now["state"] == "cancelled")
    assert not drivers(office)
    results = client.download(job)
    del results["results.csv"]
    assert 1 <= len(results) < 60
    assert len(results) >= ended["counts"]["done"]
    for name, data in results.items():
        album[name].require_kept(data)


@pytest.mark.extended
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_goes_on_when_the_whole_endpoint_was_gone(
    office: EndpointProcess, number: signal.Signals
) -> None:
    album = pictures(14)
    client = JobClient(office.url, TOKENS[0])
    job = client.submit(album, threshold=0)
    client.wait_for_pictures(job, 2)
    if number == signal.SIGKILL:
        office.kill()
    else:
        assert office.stop(number) == 0
    before = written(office, job["id"])
    office.start()
    office.wait_until_ready()
    client.finish(job)
    client.require_all_filled(job, album)
    after = written(office, job["id"])
    assert sum(after[path] == when for path, when in before.items()) >= 2


def test_a_job_that_cannot_be_done_says_why(office: EndpointProcess, client: JobClient) -> None:
    album = pictures(2)
    job = client.submit(album, mask_suffix="_mask")
    ended = client.wait(job, lambda now: now["state"] == "failed")
    assert "mask" in ended["error"]


@pytest.mark.parametrize("path", ["/api/jobs/", "/api/job_agent/jobs/"])
def test_ray_takes_jobs_from_nobody_without_its_token(office: EndpointProcess, path: str) -> None:
    ports = set().union(*map(_listening_ports, office.family()))
    entry = {"entrypoint": f"touch {office.folder / 'run'}", "submission_id": "foreign"}
    for headers in ({}, {"Authorization": f"Bearer {TOKENS[0]}"}):
        answers = [_post(f"http://127.0.0.1:{port}{path}", entry, headers) for port in ports]
        codes = {answer for answer in answers if answer is not None}
        assert codes & {401, 403}
        assert not codes & {200, 201, 202, 500}
    assert not (office.folder / "run").exists()


def _listening_ports(process: psutil.Process) -> set[int]:
    """TCP ports that a process listens on; none, where it has ended."""
    try:
        connections = process.net_connections("inet")
    except psutil.Error:
        return set()
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def _post(url: str, body: dict[str, str], headers: dict[str, str]) -> int | None:
    """Ask a port that may not speak HTTP."""
    try:
        return httpx.post(url, json=body, headers=headers, timeout=5).status_code
    except httpx.HTTPError:
        return None
