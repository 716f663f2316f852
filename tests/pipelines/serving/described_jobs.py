"""Bulk jobs as the endpoint describes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime.now(UTC)
OPTIONS = {
    "strategy": "crop",
    "passes": 11,
    "threshold": None,
    "mask_polarity": "white-hole",
    "format": "same",
    "quality": 95,
}


def job_of(number: int, state: str, **facts: Any) -> dict[str, Any]:
    """Describe a job as the endpoint does; a higher number is a newer one."""
    submitted = NOW - timedelta(minutes=2000 // number)
    started = None if state == "queued" else submitted + timedelta(seconds=3)
    ended = None if state in ("queued", "running") else submitted + timedelta(seconds=230)
    times = {"submitted": submitted, "started": started, "ended": ended}
    job = {
        "id": f"job-{number}",
        "state": state,
        **{name: time and time.isoformat() for name, time in times.items()},
        "input": f"photos-{number}.zip",
        "masks": "masks.zip",
        "output": None,
        "uploaded": True,
        "options": OPTIONS,
        "model_version": "isnet/7 3f9a1c",
        "counts": {"total": None if state == "queued" else 100, "done": 0, "failed": 0},
        "images_per_second": None,
        "seconds_left": None,
        "failures": [],
        "error": None,
        "run_id": None if state == "queued" else "0f6c2c5d9e6b4d7fa2b1c3d4e5f60718",
        "results": None if state == "queued" else f"/v1/jobs/job-{number}/results",
    }
    return {**job, **facts}


def running(**counts: int) -> dict[str, Any]:
    """Describe a job on a hundred pictures that goes on."""
    facts = {"total": 100, "done": 0, "failed": 0, **counts}
    return job_of(500, "running", counts=facts, images_per_second=2.43, seconds_left=31.0)


def failures(count: int) -> list[dict[str, str]]:
    return [
        {
            "input": f"beach/IMG_{number:04d}.jpg",
            "reason": "undecodable",
            "error": "the file is cut short: 2,048 of 83,112 bytes",
        }
        for number in range(count)
    ]
