"""Which job runs next, what became of those that ran, and what survives their keeper."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.bulk.progress import JobProgress, write_progress
from pipelines.serving.jobs.launcher import Submission
from pipelines.serving.jobs.record import (
    JobRecord,
    read_record,
    write_mistake,
    write_record,
)
from pipelines.serving.jobs.scheduler import MOST_LOSSES, next_job, settle
from tests.pipelines.serving.jobs.conftest import TOKENS, HandEndpoint, bearer
from tests.pipelines.serving.jobs.hand_run import (
    leave_results,
    pictures,
    progress_of,
    record_of,
    upload,
)

pytestmark = pytest.mark.anyio


def started(number: int, **changes: Any) -> JobRecord:
    return record_of(number, **{"state": "running", "started": 50.0, "attempt": 1, **changes})


def test_who_waited_longest_is_next() -> None:
    jobs = [record_of(number) for number in (2, 0, 1)]
    assert next_job(jobs, 1) == record_of(0)


def test_no_more_run_than_may() -> None:
    jobs = [started(0), record_of(1)]
    assert next_job(jobs, 1) is None
    assert next_job(jobs, 2) == record_of(1)


def test_a_client_with_many_jobs_does_not_keep_the_others_waiting() -> None:
    mine = [record_of(number, owner="a") for number in range(1, 5)]
    other = record_of(9, owner="b")
    ended = record_of(0, owner="a", state="finished", started=50.0)
    assert next_job([started(0, owner="a"), *mine, other], 2) == other
    assert next_job([ended, *mine, other], 1) == other


@settings(deadline=None)  # another process may have the processor
@given(owners=st.lists(st.sampled_from("abc"), min_size=1, max_size=12), most=st.integers(1, 3))
def test_every_job_has_its_turn(owners: list[str], most: int) -> None:
    jobs = {n: record_of(n, owner=owner) for n, owner in enumerate(owners)}
    order: list[JobRecord] = []
    while (job := next_job(list(jobs.values()), most)) is not None:
        number = int(job.id, 16)
        jobs[number] = started(number, owner=job.owner, started=100.0 + len(order))
        order.append(job)
        if len([each for each in jobs.values() if each.state == "running"]) == most:
            first = next(each for each in jobs.values() if each.state == "running")
            jobs[int(first.id, 16)] = JobRecord(**{**asdict(first), "state": "finished"})
    assert sorted(job.id for job in order) == sorted(job.id for job in jobs.values())
    for owner in set(owners):
        turns = [job.submitted for job in order if job.owner == owner]
        assert turns == sorted(turns)


RUN = started(0, attempt_started=100.0)
FAILED = Submission(state="failed", message="exit code 1")
UNKNOWN = Submission(state="unknown")


@pytest.mark.parametrize(
    ("submission", "progress", "mistake", "state"),
    [
        (Submission(state="succeeded"), None, None, "finished"),
        (FAILED, progress_of("finished"), None, "finished"),
        (UNKNOWN, progress_of("finished"), None, "finished"),
        (FAILED, progress_of("stopped"), None, "failed"),
        (FAILED, progress_of("failed", error="no room"), None, "failed"),
        (FAILED, None, "no pictures", "failed"),
        (UNKNOWN, None, "no pictures", "failed"),
        (Submission(state="stopped"), progress_of("interrupted"), None, "cancelled"),
        # Killed, or lost with all of Ray: it goes on.
        (FAILED, progress_of("filling"), None, None),
        (FAILED, progress_of("interrupted"), None, None),
        (UNKNOWN, progress_of("failed", error="Ray is gone"), None, None),
        (UNKNOWN, None, None, None),
    ],
)
def test_how_a_job_ended(
    submission: Submission, progress: JobProgress | None, mistake: str | None, state: str | None
) -> None:
    ending = settle(RUN, submission, progress, mistake)
    assert (ending and ending["state"]) == state
    if state == "failed":
        assert ending
        assert ending["error"]


def test_what_an_earlier_attempt_said_last_does_not_end_the_next() -> None:
    earlier = JobProgress(state="failed", updated=99.0, total=1, error="Ray is gone")
    assert settle(RUN, FAILED, earlier, None) is None


def test_whatever_a_cancelled_job_died_of_it_is_cancelled() -> None:
    cancelled = JobRecord(**{**asdict(RUN), "cancel_asked": True})
    for submission in (FAILED, UNKNOWN, Submission(state="stopped")):
        ending = settle(cancelled, submission, progress_of("filling"), None)
        assert ending == {"state": "cancelled", "error": None}


def test_a_job_that_is_ended_for_a_reason_has_failed_for_it() -> None:
    ending = JobRecord(**{**asdict(RUN), "error": "it took too much"})
    for submission in (FAILED, UNKNOWN, Submission(state="stopped")):
        settled = settle(ending, submission, progress_of("interrupted"), None)
        assert settled == {"state": "failed", "error": "it took too much"}
    done = settle(ending, Submission(state="succeeded"), progress_of("finished"), None)
    assert done == {"state": "finished", "error": None}


async def test_a_job_runs_once_there_is_room_for_it(endpoint: HandEndpoint) -> None:
    jobs = [await endpoint.submit(upload()) for _ in range(2)]
    endpoint.step()
    assert list(endpoint.launcher.begun.values()) == [endpoint.location(jobs[0])]
    shown = (await endpoint.get("/v1/jobs"))["jobs"]
    assert [job["state"] for job in shown] == ["queued", "running"]
    endpoint.launcher.known[f"{jobs[0]['id']}-1"] = Submission(state="succeeded")
    endpoint.step()
    shown = (await endpoint.get("/v1/jobs"))["jobs"]
    assert [job["state"] for job in shown] == ["running", "finished"]
    assert shown[1]["ended"] >= shown[1]["started"] >= shown[1]["submitted"]


async def test_a_running_job_says_how_far_it_is(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    endpoint.step()
    leave_results(endpoint.location(job), pictures(3), failures=["bad.png"])
    shown = await endpoint.get(f"/v1/jobs/{job['id']}")
    assert shown["counts"] == {"total": 4, "done": 3, "failed": 1}
    assert shown["failures"] == [{"input": "bad.png", "reason": "undecodable", "error": "no"}]
    (listed,) = (await endpoint.get("/v1/jobs"))["jobs"]
    assert listed == {**shown, "failures": []}


async def test_an_ended_job_goes_on_saying_how_far_it_was(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    endpoint.step()
    leave_results(endpoint.location(job), pictures(2))
    endpoint.launcher.known[f"{job['id']}-1"] = Submission(state="succeeded")
    endpoint.step()
    (Path(endpoint.location(job)) / "output" / ".inpaint" / "progress.json").unlink()
    shown = await endpoint.get(f"/v1/jobs/{job['id']}")
    assert (shown["state"], shown["counts"]["done"]) == ("finished", 2)


async def test_cancelling_ends_a_job_and_keeps_what_is_done(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    endpoint.step()
    leave_results(endpoint.location(job), pictures(2))
    answer = await endpoint.client.delete(f"/v1/jobs/{job['id']}", headers=bearer(TOKENS[0]))
    assert answer.status_code == 202
    endpoint.step()
    assert endpoint.launcher.stopped == {f"{job['id']}-1"}
    shown = await endpoint.get(f"/v1/jobs/{job['id']}")
    assert (shown["state"], shown["counts"]["done"]) == ("cancelled", 2)
    again = await endpoint.client.delete(f"/v1/jobs/{job['id']}", headers=bearer(TOKENS[0]))
    assert (again.status_code, again.json()) == (200, shown)


async def test_cancelling_a_job_that_waits_ends_it_at_once(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    answer = await endpoint.client.delete(f"/v1/jobs/{job['id']}", headers=bearer(TOKENS[0]))
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    endpoint.step()
    assert not endpoint.launcher.begun


async def test_another_process_finds_every_job_again(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    first = endpoint_of()
    running, waiting = [await first.submit(upload()) for _ in range(2)]
    first.step()
    leave_results(first.location(running), pictures(2))
    second = endpoint_of()
    for job in (running, waiting):
        path = f"/v1/jobs/{job['id']}"
        assert await second.get(path) == await first.get(path)
    second.step()
    assert len(second.launcher.begun) == 1  # it goes on by itself


async def test_a_job_that_ray_has_forgotten_is_begun_again(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    first = endpoint_of()
    job = await first.submit(upload())
    first.step()
    first.launcher.begun.clear()
    second = endpoint_of()
    second.step()
    assert second.launcher.begun == {f"{job['id']}-2": second.location(job)}
    assert (await second.get(f"/v1/jobs/{job['id']}"))["state"] == "running"


async def test_a_job_is_given_up_once_its_process_died_again_and_again(
    endpoint: HandEndpoint,
) -> None:
    job = await endpoint.submit(upload())
    endpoint.step()
    leave_results(endpoint.location(job), pictures(1))
    for attempt in range(1, MOST_LOSSES + 1):
        assert (await endpoint.get(f"/v1/jobs/{job['id']}"))["state"] == "running"
        endpoint.launcher.known[f"{job['id']}-{attempt}"] = FAILED
        endpoint.step()
    shown = await endpoint.get(f"/v1/jobs/{job['id']}")
    assert shown["state"] == "failed"
    assert str(MOST_LOSSES) in shown["error"]


async def test_a_job_that_gets_on_is_not_given_up(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    endpoint.step()
    for attempt in range(1, 2 * MOST_LOSSES):
        leave_results(endpoint.location(job), pictures(attempt))
        endpoint.launcher.known[f"{job['id']}-{attempt}"] = FAILED
        endpoint.step()
    assert (await endpoint.get(f"/v1/jobs/{job['id']}"))["state"] == "running"


async def test_jobs_wait_while_ray_does_not_answer(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    endpoint.launcher.reachable = False
    for _ in range(2 * MOST_LOSSES):
        assert not endpoint.step()
    endpoint.launcher.reachable = True
    assert endpoint.step()
    assert len(endpoint.launcher.begun) == 1
    assert (await endpoint.get(f"/v1/jobs/{job['id']}"))["state"] == "running"


async def test_the_mistake_that_a_driver_found_is_told(endpoint: HandEndpoint) -> None:
    job = await endpoint.submit(upload())
    endpoint.step()
    write_mistake(endpoint.location(job), 1, "no picture has a mask")
    endpoint.launcher.known[f"{job['id']}-1"] = FAILED
    endpoint.step()
    shown = await endpoint.get(f"/v1/jobs/{job['id']}")
    assert (shown["state"], shown["error"]) == ("failed", "no picture has a mask")


async def test_progress_of_an_earlier_job_with_the_same_output_is_not_shown(
    endpoint_of: Callable[..., HandEndpoint], tmp_path: Path
) -> None:
    endpoint = endpoint_of(job_roots=(str(tmp_path / "photos"),))
    places = {"input": "in", "masks": "masks", "output": "out"}
    given = {name: str(tmp_path / "photos" / last) for name, last in places.items()}
    write_progress(given["output"], progress_of("finished", done=7))
    job = await endpoint.submit({"json": given})
    endpoint.step()
    assert (await endpoint.get(f"/v1/jobs/{job['id']}"))["counts"]["done"] == 0


async def test_old_jobs_are_forgotten_with_all_they_kept(
    endpoint_of: Callable[..., HandEndpoint],
) -> None:
    endpoint = endpoint_of()
    old, young, waiting = [await endpoint.submit(upload()) for _ in range(3)]
    for job, days in ((old, 8), (young, 6)):
        location = endpoint.location(job)
        ended = {"state": "finished", "ended": time.time() - days * 86_400}
        write_record(str(endpoint.folder), JobRecord(**{**asdict(read_record(location)), **ended}))
    for letter, age in (("a", 2 * 86_400), ("b", 0)):  # whose ingress died, or takes them now
        upload_ = endpoint.folder / (letter * 32) / "upload"
        upload_.mkdir(parents=True)
        for folder in (upload_, upload_.parent):
            os.utime(folder, (time.time() - age,) * 2)
    again = endpoint_of()
    again.step()
    left = {path.name for path in endpoint.folder.iterdir()}
    kept = {young["id"], waiting["id"]}
    assert left == kept | {"b" * 32}
    assert {job["id"] for job in (await again.get("/v1/jobs"))["jobs"]} == kept
