"""Runs in MLflow over a real server, which is killed and comes back."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from isnet.config import InputError
from pipelines.tracking.registry import fetch_registered, register_model
from pipelines.tracking.runs import TrackingConfig, finish_run, log_artifacts, open_run
from pipelines.tracking.tracker import Tracker
from tests.pipelines.mlflow_server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    if server.process.poll() is None:
        server.kill()


def open_test_run(server: Server) -> str:
    return open_run(TrackingConfig(uri=server.uri), name="n", params={"a": {"b": 1}}, tags={})


def points(server: Server, run_id: str) -> list[tuple[int, float]]:
    history = MlflowClient(server.uri).get_metric_history(run_id, "loss")
    return sorted((point.step, point.value) for point in history)


@pytest.mark.timeout(180)
def test_a_run_is_recorded_with_metrics_images_and_artifacts(
    server: Server, tmp_path: Path
) -> None:
    params = {f"p{index}": "é" * 7000 for index in range(45)}
    run_id = open_run(TrackingConfig(uri=server.uri), name="n", params=params, tags={})
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "table.md").write_text("|")
    with Tracker(server.uri, run_id, unsent_folder=tmp_path) as tracker:
        for step in range(2500):
            tracker.metrics(step, {"loss": step / 3})
        tracker.metrics(0, {"nan": float("nan"), "inf": float("inf")})
        tracker.image("samples/grid", 1, np.zeros((8, 8, 3), np.uint8))
    log_artifacts(server.uri, run_id, tmp_path / "report", "report")
    finish_run(server.uri, run_id, "FINISHED")
    client = MlflowClient(server.uri)
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert len(found.data.params) == 45
    assert points(server, run_id) == [(step, step / 3) for step in range(2500)]
    assert {"nan", "inf"} <= found.data.metrics.keys()
    assert client.list_artifacts(run_id, "images")
    assert [file.path for file in client.list_artifacts(run_id, "report")] == ["report/table.md"]


def test_a_server_that_does_not_know_its_name_is_reported_with_the_fix(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest: lookup("127.0.0.1", *rest))
    config = TrackingConfig(uri=f"http://mlflow:{server.port}")
    with pytest.raises(InputError, match=f"--allowed-hosts mlflow:{server.port}$"):
        open_run(config, name="n", params={}, tags={})


def test_sending_rows_again_doubles_nothing(server: Server, tmp_path: Path) -> None:
    run_id = open_test_run(server)
    tracker = Tracker(server.uri, run_id, unsent_folder=tmp_path)
    for step in range(5):
        tracker.metrics(step, {"loss": step * 0.1})
    rows = tracker.pending()
    tracker.close()
    with Tracker(server.uri, run_id, unsent_folder=tmp_path, pending=rows) as resumed:
        resumed.metrics(5, {"loss": 0.5})
    assert points(server, run_id) == [(step, step * 0.1) for step in range(6)]


@pytest.mark.timeout(180)
def test_a_registered_model_is_fetched_through_the_server(
    server: Server, checkpoint: Path, tmp_path: Path
) -> None:
    run_id = open_test_run(server)
    version = register_model(server.uri, run_id, checkpoint)
    fetched = fetch_registered(server.uri, f"models:/isnet/{version}", tmp_path / "fetched")
    for name in ("config.json", "generator.safetensors"):
        assert (fetched / name).read_bytes() == (checkpoint / name).read_bytes()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "final"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "generator.safetensors").write_bytes(bytes(range(256)))
    return folder


@pytest.mark.timeout(300)
def test_training_goes_on_while_the_server_is_away_and_nothing_is_lost(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = open_test_run(server)
    tracker = Tracker(server.uri, run_id, unsent_folder=tmp_path)
    slowest = 0.0
    for step in range(60):
        if step == 20:
            server.kill()
        if step == 40:
            server.start()
        start = time.monotonic()
        tracker.metrics(step, {"loss": float(step)})
        tracker.commit()
        slowest = max(slowest, time.monotonic() - start)
        time.sleep(0.1)
    tracker.close()
    assert slowest < 1.0, "training never waits for the server"
    assert points(server, run_id) == [(step, float(step)) for step in range(60)]
    messages = [record.getMessage() for record in caplog.records if "MLflow at" in record.message]
    assert len(messages) == 2, messages
    assert "takes no rows" in messages[0]
    assert "has caught up" in messages[1]
