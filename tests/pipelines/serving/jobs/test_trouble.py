"""What one job's trouble leaves alone: every other job."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.bulk.progress import FILE as PROGRESS
from pipelines.serving.errors import ApiError
from pipelines.serving.jobs.deployment import JobsReplica
from pipelines.serving.jobs.launcher import Submission
from pipelines.serving.jobs.ledger import Ledger
from pipelines.serving.jobs.record import FILE
from tests.pipelines.serving.jobs.conftest import TOKENS, HandEndpoint, bearer
from tests.pipelines.serving.jobs.hand_run import record_of, settings_of, upload

pytestmark = pytest.mark.anyio

DAMAGED = ["{", "[]", "{}", '{"state": 1}', '{"failures": null}', "\udcff"]


async def state_of(endpoint: HandEndpoint, job: dict[str, Any]) -> str:
    return str((await endpoint.get(f"/v1/jobs/{job['id']}"))["state"])


async def running(endpoint: HandEndpoint, count: int) -> list[dict[str, Any]]:
    jobs = [await endpoint.submit(upload()) for _ in range(count)]
    endpoint.step()
    return jobs


def write_progress_of(endpoint: HandEndpoint, job: dict[str, Any], text: str) -> None:
    path = Path(endpoint.location(job)) / "output" / PROGRESS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(errors="surrogateescape"))


def succeed(endpoint: HandEndpoint, job: dict[str, Any]) -> None:
    endpoint.launcher.known[f"{job['id']}-1"] = Submission(state="succeeded")


@pytest.mark.parametrize("text", DAMAGED)
async def test_a_damaged_progress_file_says_nothing(
    endpoint_of: Callable[..., HandEndpoint], text: str
) -> None:
    endpoint = endpoint_of(max_running_jobs=2)
    first, second = await running(endpoint, 2)
    write_progress_of(endpoint, first, text)
    shown = {job["id"]: job["counts"] for job in (await endpoint.get("/v1/jobs"))["jobs"]}
    assert shown[first["id"]] == {"total": None, "done": 0, "failed": 0}
    for job in (first, second):
        succeed(endpoint, job)
    assert endpoint.step()
    assert [await state_of(endpoint, job) for job in (first, second)] == ["finished"] * 2


async def test_an_output_that_cannot_be_read_keeps_its_own_job_waiting_alone(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    endpoint = endpoint_of(max_running_jobs=2)
    first, second, third = await running(endpoint, 3)
    file = Path(endpoint.location(first)) / "output" / PROGRESS
    file.mkdir(parents=True)
    for job in (first, second):
        succeed(endpoint, job)
    assert not endpoint.step()
    states = [await state_of(endpoint, job) for job in (first, second, third)]
    assert states == ["running", "finished", "running"]
    file.rmdir()
    assert endpoint.step()
    assert await state_of(endpoint, first) == "finished"


@pytest.mark.parametrize("text", DAMAGED)
async def test_a_damaged_record_is_left_alone(
    endpoint_of: Callable[..., HandEndpoint], text: str
) -> None:
    first = endpoint_of()
    damaged, good = [await first.submit(upload()) for _ in range(2)]
    record = Path(first.location(damaged)) / FILE
    record.write_bytes(text.encode(errors="surrogateescape"))
    for path in [record.parent, *record.parent.rglob("*")]:
        os.utime(path, (time.time() - 2 * 86_400,) * 2)
    again = endpoint_of()
    assert again.step()
    assert [job["id"] for job in (await again.get("/v1/jobs"))["jobs"]] == [good["id"]]
    assert list(again.launcher.begun.values()) == [again.location(good)]
    assert record.exists()


async def test_a_job_that_cannot_be_noted_as_running_waits_and_others_run(
    endpoint: HandEndpoint,
) -> None:
    first, second = [await endpoint.submit(upload()) for _ in range(2)]
    folder = Path(endpoint.location(first))
    moved = folder.rename(folder.with_suffix(".gone"))
    folder.touch()
    assert not endpoint.step()
    assert list(endpoint.launcher.begun.values()) == [endpoint.location(second)]
    folder.unlink()
    moved.rename(folder)
    succeed(endpoint, second)
    assert endpoint.step()
    assert [await state_of(endpoint, job) for job in (first, second)] == ["running", "finished"]


async def test_a_job_that_another_replica_took_is_taken_up(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    first, second = endpoint_of(), endpoint_of()
    job = await first.submit(upload())
    assert second.step()
    assert list(second.launcher.begun.values()) == [second.location(job)]


async def test_what_was_decided_on_a_job_before_it_was_cancelled_is_void(
    endpoint: HandEndpoint,
) -> None:
    job = await endpoint.submit(upload())
    ledger = Ledger(settings_of(endpoint.folder))
    (seen,) = ledger.all()
    ledger.cancel(seen)
    assert ledger.advance(seen, state="running") is None
    (now,) = Ledger(settings_of(endpoint.folder)).all()
    assert (now.id, now.state) == (job["id"], "cancelled")


async def test_a_job_that_is_cancelled_while_it_is_started_is_not_begun(
    endpoint: HandEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await endpoint.submit(upload())
    ledger = endpoint.office._ledger
    advance = ledger.advance

    def cancel_before(seen: Any, **changes: Any) -> Any:
        ledger.cancel(seen)
        return advance(seen, **changes)

    monkeypatch.setattr(ledger, "advance", cancel_before)
    endpoint.step()
    assert not endpoint.launcher.begun
    assert await state_of(endpoint, job) == "cancelled"
    headers = bearer(TOKENS[0])
    again = await endpoint.client.delete(f"/v1/jobs/{job['id']}", headers=headers)
    assert again.status_code == 200


async def test_storage_that_fails_is_an_answer_that_clients_can_tell(tmp_path: Path) -> None:
    replica = JobsReplica(settings_of(tmp_path / "jobs"))
    record = record_of(7, owner="a")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / record.id).touch()  # where its folder is to be
    refusal = await replica.call("create", record)
    assert isinstance(refusal, ApiError)
    assert (refusal.status, refusal.code, refusal.retry_after) == (503, "storage", 30)


async def test_the_office_moves_jobs_on_by_itself(endpoint: HandEndpoint) -> None:
    endpoint.office.start()
    try:
        assert endpoint.office.healthy
        job = await endpoint.submit(upload())
        until = time.monotonic() + 20
        while not endpoint.launcher.begun:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert (await endpoint.get(f"/v1/jobs/{job['id']}"))["state"] == "running"
    finally:
        endpoint.office.stop()
    assert not endpoint.office.healthy
