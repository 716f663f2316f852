"""Runs in MLflow, as the driver opens and closes them. All against a real sqlite store."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from isnet.config import InputError
from pipelines.tracking import server
from pipelines.tracking.runs import TrackingConfig, finish_run, git_commit, log_artifacts, open_run
from pipelines.tracking.server import resolve_uri


def test_open_run_records_nested_parameters_tags_and_parent(tracking_uri: str) -> None:
    config = TrackingConfig(uri=tracking_uri, experiment="some")
    parent = open_run(config, name="parent", params={}, tags={})
    params = {"loss": {"preset": "eq5", "l1": None}, "steps": 100, "sizes": (1, 2)}
    child = open_run(
        config, name="child", params=params, tags={"commit": "abc"}, parent_run_id=parent
    )
    found = MlflowClient(tracking_uri).get_run(child)
    assert found.info.status == "RUNNING"
    assert found.info.run_name == "child"
    expected = {"loss.preset": "eq5", "loss.l1": "None", "steps": "100", "sizes": "(1, 2)"}
    assert found.data.params == expected
    assert found.data.tags["commit"] == "abc"
    assert found.data.tags["mlflow.parentRunId"] == parent


def test_many_and_long_parameters_fit_mlflows_limits(tracking_uri: str) -> None:
    params = {f"p{index}": index for index in range(250)} | {"long": "é" * 10_000, "bad %|name": ""}
    tags = {"long": "x" * 9_000}
    run_id = open_run(TrackingConfig(uri=tracking_uri), name="n", params=params, tags=tags)
    data = MlflowClient(tracking_uri).get_run(run_id).data
    assert len(data.params) == 252
    assert len(data.params["long"]) == 6000
    assert data.params["long"].endswith("(cut, 10000 characters)")
    assert data.tags["long"].endswith("(cut, 9000 characters)")
    assert data.params["bad _name"] == ""


def test_a_run_opened_again_keeps_its_parameters_and_notes_changes(tracking_uri: str) -> None:
    config = TrackingConfig(uri=tracking_uri)
    first = open_run(config, name="n", params={"steps": 100, "seed": 1}, tags={})
    finish_run(tracking_uri, first, "FAILED")
    params = {"steps": 200, "seed": 1, "new": "x"}
    assert open_run(config, name="n", params=params, tags={}, run_id=first) == first
    found = MlflowClient(tracking_uri).get_run(first)
    assert found.info.status == "RUNNING"
    assert found.data.params == {"steps": "100", "seed": "1", "new": "x"}
    assert {k: v for k, v in found.data.tags.items() if "changed" in k} == {"changed.steps": "200"}


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_finish_run_sets_the_status(tracking_uri: str, tracked_run: str, status: str) -> None:
    finish_run(tracking_uri, tracked_run, status)  # type: ignore[arg-type]
    info = MlflowClient(tracking_uri).get_run(tracked_run).info
    assert info.status == status
    assert info.end_time is not None


def test_an_unknown_run_is_an_input_error(tracking_uri: str) -> None:
    with pytest.raises(InputError, match=r"no run 0123.* to continue"):
        open_run(TrackingConfig(uri=tracking_uri), name="n", params={}, tags={}, run_id="0123" * 8)


def test_a_deleted_experiment_is_an_input_error(tracking_uri: str, tracked_run: str) -> None:
    client = MlflowClient(tracking_uri)
    client.delete_experiment(client.get_run(tracked_run).info.experiment_id)
    with pytest.raises(InputError, match=r"'isnet' .*was deleted.*restore"):
        open_run(TrackingConfig(uri=tracking_uri), name="n", params={}, tags={})


def test_artifacts_lie_beside_the_database_whatever_the_working_directory(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run_id = open_run(TrackingConfig(uri=tracking_uri), name="n", params={}, tags={})
    (elsewhere / "table.csv").write_text("a,b\n")
    log_artifacts(tracking_uri, run_id, elsewhere / "table.csv", "report")
    assert (tmp_path / "mlartifacts" / run_id / "artifacts/report/table.csv").is_file()
    assert [path.name for path in elsewhere.iterdir()] == ["table.csv"]


def test_artifacts_that_cannot_be_uploaded_only_warn(
    tracking_uri: str, tracked_run: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log_artifacts(tracking_uri, tracked_run, tmp_path / "missing", "report")
    assert "missing was not uploaded" in caplog.text


def test_resolve_uri_makes_sqlite_paths_absolute_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    absolute = f"sqlite:///{tmp_path}/mlflow.db"
    assert resolve_uri("sqlite:///mlflow.db") == absolute
    assert resolve_uri(absolute) == absolute
    assert resolve_uri("http://host:5000") == "http://host:5000"


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/x", "databricks", "sqlite://", "ftp://x"])
def test_uris_of_no_use_are_input_errors(uri: str) -> None:
    with pytest.raises(InputError, match=r"give .*sqlite:///path/mlflow\.db"):
        resolve_uri(uri)


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg2"])
def test_an_unreachable_server_is_reported_within_ten_seconds(
    scheme: str, closed_port: int
) -> None:
    config = TrackingConfig(uri=f"{scheme}://user:secret@127.0.0.1:{closed_port}")
    start = time.monotonic()
    with pytest.raises(InputError, match=r"no tracking server answers.*refused") as caught:
        open_run(config, name="n", params={}, tags={})
    assert time.monotonic() - start < 10
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_never_answers_is_reported_within_ten_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = TrackingConfig(uri=f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(InputError, match="timed out"):
            open_run(config, name="n", params={}, tags={})
    assert time.monotonic() - start < 10


def test_a_database_path_that_cannot_be_used_is_an_input_error(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are no tables")
    for path, reason in ((file / "mlflow.db", "File exists"), (file, "file is not a database")):
        with pytest.raises(InputError, match=reason):
            open_run(TrackingConfig(uri=f"sqlite:///{path}"), name="n", params={}, tags={})


@pytest.mark.slow
def test_processes_racing_for_a_new_database_and_experiment_all_succeed(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    code = (
        "from pipelines.tracking.runs import TrackingConfig, open_run\n"
        f"config = TrackingConfig(uri={uri!r}, experiment='raced')\n"
        "print(open_run(config, name='n', params={}, tags={}))"
    )
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    racers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        for _ in range(2)
    ]
    try:
        # Ten CPU seconds each, most of them imports: the test's own timeout ends what hangs.
        results = [racer.communicate() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
    assert [racer.returncode for racer in racers] == [0, 0], results
    assert all(error == b"" for _, error in results), "opening a run is quiet"
    runs = [MlflowClient(uri).get_run(output.decode().strip()) for output, _ in results]
    assert len({run.info.run_id for run in runs}) == 2
    assert len({run.info.experiment_id for run in runs}) == 1


def test_a_process_that_hangs_with_the_lock_holds_nobody_up(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_LOCK_SECONDS", 0.3)
    with (tmp_path / ".mlflow.db.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        started = time.monotonic()
        assert open_run(TrackingConfig(uri=tracking_uri), name="run", params={}, tags={})
        assert time.monotonic() - started >= 0.3


def test_git_commit_names_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git_commit(tmp_path) == "unknown"
    git("init")
    assert git_commit(tmp_path) == "unknown"
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "a")
    commit = git("rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert git_commit(tmp_path) == f"{commit}+dirty"
