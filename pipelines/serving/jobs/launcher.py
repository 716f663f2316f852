"""Jobs handed to Ray: each is a driver of its own, which outlives whoever started it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import ray
from ray.dashboard.utils import ray_address_to_api_server_url
from ray.job_submission import JobStatus, JobSubmissionClient

VARIABLE = "ISNET_JOB"
"""Environment variable of the driver with the job's folder: a URI may carry a password, which the
words of a command would show to everybody on the machine."""

CLUSTER_VARIABLE = "ISNET_JOB_CLUSTER"
"""Likewise, with the address of the Ray that is to run it. What Ray itself tells a driver is a
guess, which is wrong on a machine with several."""

_STATES: dict[JobStatus, Literal["running", "succeeded", "failed", "stopped"]] = {
    JobStatus.PENDING: "running",
    JobStatus.RUNNING: "running",
    JobStatus.SUCCEEDED: "succeeded",
    JobStatus.FAILED: "failed",
    JobStatus.STOPPED: "stopped",
}

_ABSENT = "status code 404"
"""In the text of a RuntimeError, which is all that Ray's client raises."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is known of an attempt."""

    state: Literal["running", "succeeded", "failed", "stopped", "unknown"]
    """unknown: never begun, or Ray was started anew since."""
    message: str = ""


class Launcher(Protocol):
    """Whoever runs jobs. What cannot be asked now raises, and is asked again."""

    def submit(self, name: str, location: str) -> None:
        """Begin an attempt of the job that has a folder at `location`."""

    def find(self, name: str) -> Submission:
        """Say what became of an attempt."""

    def stop(self, name: str) -> None:
        """End an attempt that runs."""


class RayLauncher:
    """Runs jobs through Ray's Jobs API. A `Launcher`."""

    def submit(self, name: str, location: str) -> None:
        """Begin an attempt; its actors ask for CPUs, its driver for none."""
        self._client.submit_job(
            entrypoint=shlex.join([sys.executable, "-m", "pipelines.serving.jobs.driver"]),
            submission_id=name,
            entrypoint_num_cpus=0,
            runtime_env={
                **_code(),
                "env_vars": {VARIABLE: location, CLUSTER_VARIABLE: _cluster()},
            },
        )

    def find(self, name: str) -> Submission:
        """Ask Ray for an attempt."""
        try:
            details = self._client.get_job_info(name)
        except RuntimeError as error:
            if _ABSENT not in str(error):
                raise
            return Submission(state="unknown", message="Ray does not know it")
        return Submission(state=_STATES[details.status], message=details.message or "")

    def stop(self, name: str) -> None:
        """Have Ray send SIGTERM, and SIGKILL three seconds later."""
        try:
            self._client.stop_job(name)
        except RuntimeError as error:
            if _ABSENT not in str(error):
                raise

    @cached_property
    def _client(self) -> JobSubmissionClient:
        # A replica's own guess at the dashboard's port may be another Ray's.
        return JobSubmissionClient(ray_address_to_api_server_url(_cluster()))


def _cluster() -> str:
    return str(ray.get_runtime_context().gcs_address)


def _code() -> dict[str, Any]:
    """Return where this replica has its code from, if not from the node's own packages."""
    environment = ray.get_runtime_context().runtime_env
    return {
        name: environment[name] for name in ("working_dir", "py_modules") if name in environment
    }
