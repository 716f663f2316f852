"""A client of bulk jobs, and pictures that take a job a while."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np

from tests.pipelines.serving.traffic import TIMEOUT, Sample, sample

LONG_SECONDS = 300
"""Of a job, on a machine that has other things to do."""

Job = dict[str, Any]


class JobClient:
    """Asks for jobs with one token."""

    def __init__(self, url: str, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=url, headers=self._headers, timeout=TIMEOUT)

    def submit(self, pictures: dict[str, Sample], **options: object) -> Job:
        """Upload pictures with masks of their own."""
        files = {
            "pictures": ("pictures.zip", _archive({n: s.image for n, s in pictures.items()})),
            "masks": ("masks.zip", _archive({n: s.mask for n, s in pictures.items()})),
        }
        data = {name: str(value) for name, value in options.items()}
        answer = self.http.post("/v1/jobs", files=files, data=data)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def job(self, job: Job) -> Job:
        answer = self.http.get(f"/v1/jobs/{job['id']}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, job: Job, condition: Callable[[Job], bool]) -> Job:
        """Wait until something is true of a job."""
        until = time.monotonic() + LONG_SECONDS
        while not condition(now := self.job(job)):
            assert time.monotonic() < until, now
            assert now["state"] in ("queued", "running"), now
            time.sleep(0.2)
        return now

    def wait_for_pictures(self, job: Job, count: int) -> Job:
        """Wait until so many pictures are filled, which are not yet all."""
        now = self.wait(job, lambda now: now["counts"]["done"] >= count)
        assert now["state"] == "running", now
        return now

    def finish(self, job: Job) -> Job:
        """Wait until a job has finished."""
        return self.wait(job, lambda now: now["state"] == "finished")

    def download(self, job: Job) -> dict[str, bytes]:
        """The results by name, and the table."""
        answer = self.http.get(f"/v1/jobs/{job['id']}/results")
        assert answer.status_code == 200
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}

    def require_all_filled(self, job: Job, pictures: dict[str, Sample]) -> None:
        """Every picture is there, filled, and no known pixel has changed."""
        results = self.download(job)
        del results["results.csv"]
        assert results.keys() == pictures.keys()
        for name, data in results.items():
            filled = pictures[name].require_kept(data)
            assert np.ptp(filled.astype(int)) > 0


def pictures(count: int) -> dict[str, Sample]:
    """Pictures of eleven passes each, half a second of one core."""
    return {f"album/{n:03d}.png": sample(352, 352, seed=n, threshold=0) for n in range(count)}


def _archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()
