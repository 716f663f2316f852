"""Jobs that a test runs by hand: a launcher that only notes, and results as a job leaves them."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.bulk.progress import JobProgress, write_progress
from pipelines.bulk.results import DONE, FAILED, encode_rows, part_path
from pipelines.serving.config import EndpointSettings
from pipelines.serving.jobs.launcher import Submission
from pipelines.serving.jobs.office import JobOffice
from pipelines.serving.jobs.record import JobRecord, read_record
from pipelines.storage import join, write_or_explain
from tests.pipelines.serving.pictures import encoded, hole, mask_of, noise

MODEL = {"checkpoint": "/models/isnet"}


@dataclass
class HandLauncher:
    """Notes what is to run. A `Launcher`."""

    begun: dict[str, str] = field(default_factory=dict)
    """Locations by the names of attempts, in the order in which they began."""
    known: dict[str, Submission] = field(default_factory=dict)
    """What became of attempts; others run."""
    stopped: set[str] = field(default_factory=set)
    reachable: bool = True

    def submit(self, name: str, location: str) -> None:
        self._require_reachable()
        assert name not in self.begun, "Ray refuses a name that it knows"
        self.begun[name] = location

    def find(self, name: str) -> Submission:
        self._require_reachable()
        if name in self.known:
            return self.known[name]
        return Submission(state="running" if name in self.begun else "unknown")

    def stop(self, name: str) -> None:
        self._require_reachable()
        self.stopped.add(name)
        self.known[name] = Submission(state="stopped")

    def _require_reachable(self) -> None:
        if not self.reachable:
            raise ConnectionError("no dashboard answers")


def settings_of(folder: Path, **changes: Any) -> EndpointSettings:
    """Settings with jobs in a folder."""
    return EndpointSettings(**{"jobs_folder": str(folder), "precision": "fp32", **changes})


def step(office: JobOffice) -> bool:
    """Move jobs on, as the office's thread does every second; say whether all went well."""
    return office._scheduler.step()


def record_of(number: int = 0, *, owner: str = "local", **changes: Any) -> JobRecord:
    """A job that waits."""
    given: dict[str, Any] = {
        "id": f"{number:032x}",
        "owner": owner,
        "config": {"output": f"/results/{number}", "within": []},
        "options": {},
        "uploaded": False,
        "input": "in",
        "masks": "alpha",
        "output": "out",
        "model_version": "m",
        "submitted": 1000.0 + number,
    }
    return JobRecord(**{**given, **changes})


def progress_of(state: str, *, done: int = 0, failed: int = 0, **said: Any) -> JobProgress:
    """What a job says of itself now."""
    counts = {"total": done + failed, "done": done, "failed": failed}
    given: dict[str, Any] = {"state": state, "updated": time.time(), **counts, **said}
    return JobProgress(**given)


def row_of(name: str, *, error: str | None = None) -> dict[str, Any]:
    """A row of the results."""
    return {
        "input": name,
        "mask": "alpha",
        "output": None if error else name,
        "hole_ratio": 0.25,
        "passes": 2,
        "milliseconds": 5.0,
        "status": FAILED if error else DONE,
        "reason": "undecodable" if error else None,
        "error": error,
    }


def leave_results(
    location: str, pictures: Mapping[str, bytes], *, failures: Iterable[str] = (), unit: int = 0
) -> None:
    """Write what a job leaves of a unit of pictures, and how far it says it is."""
    output = read_record(location).results
    rows = [row_of(name) for name in pictures]
    rows += [row_of(name, error="it is no picture") for name in failures]
    for name, data in {**pictures, part_path(unit): encode_rows(rows)}.items():
        write_or_explain(join(output, name), data)
    failed = tuple({"input": name, "reason": "undecodable", "error": "no"} for name in failures)
    said = progress_of("filling", done=len(pictures), failed=len(failed), failures=failed)
    write_progress(output, said)


def archive_of(members: Mapping[str, bytes]) -> bytes:
    """Make a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def pictures(count: int = 2) -> dict[str, bytes]:
    """Files of pictures by name."""
    return {f"holiday/{index}.png": encoded(noise(40 + index, 30)) for index in range(count)}


def upload(masks: bytes | str | None = None, **options: Any) -> dict[str, Any]:
    """Build a job of two pictures and one mask, or none at all, as httpx sends it."""
    files: dict[str, Any] = {"pictures": ("holiday.zip", archive_of(pictures()))}
    data = dict(options)
    if isinstance(masks, str):
        data["masks"] = masks
    else:
        files["masks"] = ("mask.png", mask_of(hole()) if masks is None else masks)
    return {"files": files, "data": data}
