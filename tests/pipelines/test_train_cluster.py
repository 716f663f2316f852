"""Training on a cluster of two nodes: one is lost, storage is not shared, there is too little."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Iterator

import pytest

from tests.pipelines.cluster_process import NODE_CPUS, ClusterProcess
from tests.pipelines.mlflow_server import Server
from tests.pipelines.mounts import can_mount, in_own_mounts
from tests.pipelines.training_process import STEPS, Training, assert_same_outcome

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.extended]

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


def test_more_workers_than_the_cluster_holds_are_refused_or_waited_for_until_sigterm(
    undisturbed, prepared, tracking, tmp_path
):
    def training(name: str, *flags: str) -> Training:
        folder = tmp_path / name
        return Training(prepared, folder, tracking_uri=tracking, flags=flags, **ONE_WORKER_A_NODE)

    with ClusterProcess(nodes=1) as cluster:
        refused = training("many")
        _start(refused, cluster)
        assert refused.finish() == 2
        assert "have room for 1 worker(s) of 2 CPUs, --num-workers is 2" in refused.output
        assert "give --wait to wait for more" in refused.output

        ended, waiting = training("ended", "--wait"), training("many", "--wait")
        _start(ended, cluster)
        ended.wait_for_output("training run on 2 CPU worker(s)")
        time.sleep(5)
        ended.process.send_signal(signal.SIGTERM)
        assert ended.finish(timeout=60) != 0
        assert ended.status() == "KILLED"

        _start(waiting, cluster)
        waiting.wait_for_output("training run on 2 CPU worker(s)")
        cluster.tell("add")
        assert waiting.finish() == 0, waiting.output[-4000:]
    assert_same_outcome(waiting, undisturbed(2))


@pytest.mark.skipif(not can_mount(), reason="only root gives a node another disk")
def test_storage_that_one_node_does_not_see_is_refused(prepared, tracking, cluster, tmp_path):
    hidden, seen = tmp_path / "hidden", tmp_path / "seen"
    shutil.copytree(prepared, hidden / "data")
    script = f'mount -t tmpfs tmpfs {hidden} && exec "$@"'
    with ClusterProcess(cluster.address, prefix=in_own_mounts("bash", "-c", script, "bash")):
        for flag, place, data, runs in (
            ("--output", hidden / "runs", prepared, hidden / "runs"),
            ("--data", hidden / "data", str(hidden / "data"), seen / "runs"),
        ):
            runs.mkdir(parents=True)
            training = Training(data, tmp_path / flag, tracking_uri=tracking, output=str(runs))
            _start(training, cluster)
            assert training.finish() == 2, training.output[-4000:]
            refusal = f"error: {flag} {place} is not the same folder on every node: 1 of 4"
            assert refusal in training.output
            assert list(runs.iterdir()) == []
