"""What every test stands on: the photographs, one local Ray, and what this machine can run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promtool import Promtool
from tests.promtool import available as promtool_available

ROOT = Path(__file__).parent.parent

# As in the Makefile, for a bare `pytest`; before anything imports Ray or MLflow.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
# Left alone, Ray ends what idles for a second, and the next test waits for imports anew.
os.environ.setdefault("RAY_idle_worker_killing_time_threshold_ms", "60000")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LONG_TIMEOUT = 900
"""Seconds that a `slow`, `cluster` or `extended` test may take."""


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several test processes one thread, or they fight over the cores."""
    if hasattr(config, "workerinput"):
        import torch

        torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine lacks, keep Ray in one process, give long tests their time."""
    for item in items:
        names = {mark.name for mark in item.iter_markers()}
        if "gpu" in names and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
        if "browser" in names and not any(shutil.which(name) for name in BROWSERS):
            item.add_marker(pytest.mark.skip(reason="no Chromium on the PATH"))
        if "ray" in names:
            item.add_marker(pytest.mark.xdist_group("ray"))
        if names & {"slow", "cluster", "extended"} and "timeout" not in names:
            item.add_marker(pytest.mark.timeout(LONG_TIMEOUT))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of the sixteen sample photographs."""
    return ROOT / "samples"


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One local Ray with four logical CPUs, shared by the tests that are marked `ray`."""
    import ray

    from pipelines.cluster import connect

    connect(num_cpus=4)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    if not promtool_available():
        pytest.skip("no promtool (it comes with Prometheus) on the PATH")
    return Promtool()
