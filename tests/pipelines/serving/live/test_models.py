"""Another model for an endpoint that runs on a cluster, deployed with Serve's own commands."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from pipelines.tracking.registry import register_model
from tests.pipelines.evaluation.checkpoints import write_checkpoint
from tests.pipelines.serving.serve_cluster import ServeCluster
from tests.pipelines.serving.traffic import Load, samples

pytestmark = [pytest.mark.slow, pytest.mark.ray]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two small networks."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        name: write_checkpoint(folder / name, seed=seed)
        for seed, name in enumerate(("first", "second"))
    }


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[Path], str]) -> str:
    """An empty registry."""
    return new_database(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeCluster]:
    """A cluster without an endpoint."""
    with ServeCluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def deployed(cluster: ServeCluster, checkpoints: dict[str, Path], registry: str) -> dict[str, Any]:
    """Arguments of an endpoint with one replica of each kind, which serves the first network."""
    replicas = {"model_replicas": 1, "max_model_replicas": None, "ingress_replicas": 1}
    arguments = {"tracking_uri": registry, **replicas}
    cluster.deploy(arguments, checkpoint=str(checkpoints["first"]))
    cluster.wait_for_model(version="first", error="None")
    return arguments


@pytest.mark.extended
def test_serve_run_takes_arguments_on_its_command_line(
    cluster: ServeCluster, checkpoints: dict[str, Path]
):
    started = cluster.start("serve", "start", "--http-port", cluster.port)
    assert started.wait(timeout=120) == 0, cluster.output
    words = [f"checkpoint={checkpoints['first']}", "model_cpus=1"]
    running = cluster.start("serve", "run", "pipelines.serve:build_app", *words)
    cluster.wait_for_model(version="first")
    running.send_signal(signal.SIGINT)
    running.wait(timeout=120)
    assert not cluster.models()


def test_another_checkpoint_is_loaded_in_place(
    cluster: ServeCluster, checkpoints: dict[str, Path], deployed: dict[str, Any]
):
    replicas = cluster.models()
    load = Load(url=cluster.url, samples=samples(12))

    async def run() -> None:
        async with load:
            await load.more(30)
            other = str(checkpoints["second"])
            await asyncio.to_thread(cluster.deploy, deployed, checkpoint=other)
            await asyncio.to_thread(cluster.wait_for_model, version="second")
            await load.more(30)

    asyncio.run(run())
    load.require_all_right()
    versions = [reply.version.partition(":")[0].rpartition("/")[2] for reply in load.replies]
    assert versions[0] == "first"
    assert versions[-1] == "second"
    assert set(versions) == {"first", "second"}
    assert cluster.models() == replicas


def test_a_checkpoint_that_is_not_there_leaves_the_model(
    cluster: ServeCluster, deployed: dict[str, Any], tmp_path: Path
):
    replicas = cluster.models()
    load = Load(url=cluster.url, samples=samples(6), clients=2)

    async def run() -> None:
        async with load:
            await load.more(5)
            wrong = str(tmp_path / "nothing-here")
            await asyncio.to_thread(cluster.deploy, deployed, checkpoint=wrong)
            await asyncio.to_thread(cluster.wait_for_model, error="nothing-here was not loaded")
            await load.more(5)

    asyncio.run(run())
    load.require_all_right()
    assert {reply.version for reply in load.replies} == {cluster.model()["version"]}
    assert "first" in cluster.model()["version"]
    assert cluster.models() == replicas


@pytest.mark.extended
def test_an_alias_that_moved_is_looked_up_for_another_revision(
    cluster: ServeCluster, checkpoints: dict[str, Path], deployed: dict[str, Any], registry: str
):
    client = MlflowClient(registry)
    run_id = client.create_run(client.create_experiment("serving")).info.run_id
    for name, path in checkpoints.items():
        register_model(registry, run_id, path, tags={"checkpoint": name})
    client.set_registered_model_alias("isnet", "champion", "1")
    cluster.deploy(deployed, checkpoint="models:/isnet@champion")
    first = cluster.wait_for_model(version="isnet/1:")
    replicas = cluster.models()
    client.set_registered_model_alias("isnet", "champion", "2")
    cluster.deploy(deployed, checkpoint="models:/isnet@champion", revision="2")
    second = cluster.wait_for_model(version="isnet/2:")
    assert first["location"] == second["location"] == "models:/isnet@champion"
    assert cluster.models() == replicas


def test_requests_wait_while_the_only_model_replica_is_replaced(
    cluster: ServeCluster, deployed: dict[str, Any]
):
    load = Load(url=cluster.url, samples=samples(12))

    async def run() -> None:
        async with load:
            await load.more(20)
            (replica,) = cluster.models()
            replica.kill()
            await load.more(40)

    asyncio.run(run())
    load.require_all_right()
