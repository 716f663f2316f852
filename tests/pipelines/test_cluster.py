"""Connecting to Ray: a local one is this machine's and this process's own affair."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
from ray.data import DataContext, ExecutionResources
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from pipelines.cluster import _STEP_SECONDS, connect, rest_between_steps

ROOT = Path(__file__).parents[2]

LISTENERS = """
import ray.data  # before connect(), as entry points do
import psutil, ray
from pipelines.cluster import connect
connect(num_cpus=3)
assert ray.cluster_resources()["CPU"] == 3
assert ray.get(ray.remote(lambda: 3).remote()) == 3
me = psutil.Process()
for process in [me, *me.children(recursive=True)]:
    for connection in process.net_connections():
        if connection.status == psutil.CONN_LISTEN:
            print("LISTEN", connection.laddr.ip)
"""


def run(script: str, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process whose environment says nothing of Ray, with a new home."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**ours, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.ray
@pytest.mark.slow
def test_local_ray_listens_on_loopback_and_writes_no_token_file(tmp_path: Path) -> None:
    done = run(LISTENERS, tmp_path)
    assert done.returncode == 0, done.stderr
    listeners = {line.split()[1] for line in done.stdout.splitlines() if "LISTEN" in line}
    assert listeners <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert listeners
    assert not (tmp_path / ".ray/auth_token").exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at RAY_ADDRESS=127.0.0.1:1; start one"),
        ("http://127.0.0.1:8265", "is a dashboard, which takes jobs: put `ray job submit"),
    ],
)
def test_address_that_leads_nowhere_is_a_users_mistake(
    tmp_path: Path, address: str, message: str
) -> None:
    script = "from pipelines.cli import run_main; from pipelines.cluster import connect\n"
    script += "run_main(lambda argv: connect())"
    done = run(script, tmp_path, RAY_ADDRESS=address)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_running_ray_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    connect(num_cpus=99)
    assert ray.cluster_resources()["CPU"] < 99


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_ray_data_rests_while_its_consumer_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    context = DataContext.get_current()
    monkeypatch.setattr(context, "custom_execution_callback_classes", [_Counter])
    rest_between_steps()
    rest_between_steps()
    assert len(context.custom_execution_callback_classes) == 2
    # As much as the consumer takes in a while: nothing is started, and nothing is waited for.
    limits = ExecutionResources.for_limits(object_store_memory=20e6)
    monkeypatch.setattr(context.execution_options, "resource_limits", limits)
    rows = ray.data.range(8, override_num_blocks=8).map_batches(_eight_pictures, batch_size=1)
    _Counter.steps, started = 0, time.monotonic()
    for _ in rows.iter_batches(batch_size=8):
        time.sleep(0.05)
    # Without a rest there are thousands.
    assert 0 < _Counter.steps <= (time.monotonic() - started) / _STEP_SECONDS + 1


def _eight_pictures(_: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    for _ in range(8):
        yield {"image": np.zeros((8, 2**18), dtype=np.uint8)}


class _Counter(ExecutionCallback):
    """Counts the steps of Ray Data's loop."""

    steps = 0

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        type(self).steps += 1
