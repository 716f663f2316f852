"""Training on a cluster of two nodes: one is lost, storage is not shared, there is too little."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.pipelines.cluster_process import NODE_CPUS, ClusterProcess
from tests.pipelines.mlflow_server import Server
from tests.pipelines.mounts import can_mount, in_own_mounts
from tests.pipelines.training_process import STEPS, Training, assert_same_outcome

pytestmark = [pytest.mark.cluster, pytest.mark.ray]

ONE_WORKER_A_NODE = {"cpus_per_worker": NODE_CPUS - 1}  # the last CPU of each reads data


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server.uri
    server.kill()


@pytest.fixture
def cluster() -> Iterator[ClusterProcess]:
    with ClusterProcess(nodes=2) as cluster:
        yield cluster


def _start(training: Training, cluster: ClusterProcess) -> None:
    training.start(RAY_ADDRESS=cluster.address, **cluster.environment)


def test_a_lost_node_is_replaced_and_changes_nothing(
    undisturbed, prepared, tracking, cluster, tmp_path
):
    training = Training(prepared, tmp_path / "lost", tracking_uri=tracking, **ONE_WORKER_A_NODE)
    _start(training, cluster)
    training.wait_for_step(8)
    cluster.tell("remove")
    cluster.tell("add")
    assert training.finish() == 0, training.output[-4000:]
    assert "on from the checkpoint of step" in training.output
    assert_same_outcome(training, undisturbed(2))


def test_with_a_range_of_workers_a_lost_node_is_done_without(prepared, tracking, cluster, tmp_path):
    training = Training(
        prepared, tmp_path / "fewer", tracking_uri=tracking, num_workers="1,2", **ONE_WORKER_A_NODE
    )
    _start(training, cluster)
    training.wait_for_step(8)
    cluster.tell("remove")
    assert training.finish() == 0, training.output[-4000:]
    assert re.search(r"on from the checkpoint of step \d+, 1 worker", training.output)
    assert [step for step, _ in training.curve()] == list(range(1, STEPS + 1))


def test_more_workers_than_the_cluster_holds_are_refused_with_what_it_has(
    prepared, tracking, cluster, tmp_path
):
    training = Training(prepared, tmp_path / "many", tracking_uri=tracking, cpus_per_worker=3)
    _start(training, cluster)
    assert training.finish() == 2
    assert "2 worker(s) reserve 6 of the cluster's 6 CPUs, which leaves none" in training.output
    assert "--wait" in training.output


@pytest.mark.skipif(not can_mount(), reason="only root gives a node another disk")
@pytest.mark.parametrize(("flag", "hidden"), [("--output", "runs"), ("--data", "data")])
def test_storage_that_one_node_does_not_see_is_refused(
    prepared, tracking, cluster, tmp_path, flag, hidden
):
    training = Training(prepared, tmp_path / "apart", tracking_uri=tracking)
    training.runs.mkdir()
    place = Path(prepared) if hidden == "data" else training.runs
    with _blind_node(cluster, place):
        _start(training, cluster)
        assert training.finish() == 2, training.output[-4000:]
    assert f"error: {flag} {place} is not the same folder on every node: 1 of 4" in training.output
    assert list(training.runs.iterdir()) == []


class _blind_node:  # noqa: N801 - reads like the context manager it is
    """A node of the cluster that sees an empty disk in place of a folder."""

    def __init__(self, cluster: ClusterProcess, place: Path) -> None:
        ray = Path(sys.executable).parent / "ray"
        join = f"{ray} start --address {cluster.address} --num-cpus 1 --block"
        ports = "--min-worker-port 0 --max-worker-port 0 --dashboard-agent-listen-port 0"
        script = f"mount -t tmpfs tmpfs {place} && exec {join} {ports}"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        self._process = subprocess.Popen(
            in_own_mounts("bash", "-c", script),
            env=clean | cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ray runtime started" in line:
                return
        raise AssertionError("the node did not start")

    def __exit__(self, *_: object) -> None:
        for process in psutil.Process(self._process.pid).children(recursive=True):
            process.kill()
        self._process.kill()
        self._process.wait()
