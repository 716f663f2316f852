"""Training as a submitted job, on a Ray cluster started the way the README does."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from mlflow.tracking import MlflowClient

from isnet.checkpoint import load_generator

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent

pytestmark = [pytest.mark.cluster, pytest.mark.ray]


def _run(environment: dict[str, str], *command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A head with token authentication; the environment of whoever submits to it."""
    # Short: Ray puts sockets below it, whose paths may have 107 characters.
    folder = tmp_path_factory.mktemp("ray")
    temporary = Path("/tmp") / f"ray-test-{os.getpid()}"
    environment = {name: value for name, value in os.environ.items() if "RAY_" not in name}
    environment |= {
        "PATH": f"{SCRIPTS}:{environment['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    (folder / "token").write_text("0123456789abcdef" * 4)
    ports = ["--port", 6399, "--dashboard-port", 8299, "--dashboard-agent-listen-port", 8298]
    options = [*ports, "--ray-client-server-port", 6398, "--temp-dir", temporary]
    command = ["ray", "start", "--head", "--block", "--num-cpus", 4, *options]
    with (folder / "head.log").open("w") as log:
        head = subprocess.Popen([*map(str, command)], env=environment, stdout=log, stderr=log)
    _wait_for_dashboard(head, folder / "head.log")
    yield environment | {"RAY_ADDRESS": "http://127.0.0.1:8299"}
    # `ray stop` would stop every Ray of this user.
    for process in [*psutil.Process(head.pid).children(recursive=True), head]:
        process.kill()
    head.wait()
    shutil.rmtree(temporary, ignore_errors=True)


def _wait_for_dashboard(head: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", 8299), timeout=1).close()
            return
        except OSError:
            assert head.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.5)


def _job(
    environment: dict[str, str], *words: object, runtime_env: object = "cluster/runtime-env.yaml"
) -> subprocess.CompletedProcess[str]:
    job = ["ray", "job", "submit", "--working-dir", ".", "--runtime-env", runtime_env]
    return _run(environment, *job, *words)


def _submit(environment: dict[str, str], *options: object) -> subprocess.CompletedProcess[str]:
    return _job(environment, "--", "python", "pipelines/train.py", "smoke", *options)


def test_a_relative_output_is_refused_with_the_form_to_use(cluster, prepared, tmp_path):
    result = _submit(cluster, "--data", prepared, "--output", "runs")
    assert result.returncode != 0
    assert re.search(r"error: --output runs is relative.*--output /shared/runs", result.stdout)
    assert "Traceback" not in result.stdout


def test_a_job_trains_and_records_like_a_local_run(cluster, prepared, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    places = ["--data", prepared, "--output", tmp_path, "--tracking.uri", uri]
    size = ["--steps", 4, "--batch-size", 4, "--generator.channels", 2, "--log-every", 2]
    loss = ["--loss.extractor", "random", "--discriminator.channels", 2]
    result = _submit(cluster, "--name", "job", *places, *size, *loss)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "step 4/4" in result.stdout
    assert not load_generator(tmp_path / "job" / "model").training
    (version,) = MlflowClient(uri).search_model_versions("name = 'isnet'")
    assert MlflowClient(uri).get_run(version.run_id).info.status == "FINISHED"


def test_the_health_of_a_cluster_is_a_job(cluster):
    result = _job(cluster, "--", "python", "pipelines/health.py", "--window", 11)
    assert result.returncode == 0, result.stdout[-3000:]
    assert re.search(r"the cluster at 127\.0\.0\.1:6399, rates over 1\d s", result.stdout)
    assert re.search(r"127\.0\.0\.1 \(head\) +\d+% .* no GPU", result.stdout)


def test_the_health_of_a_cluster_wants_its_token(cluster):
    stranger = cluster | {"RAY_ADDRESS": "127.0.0.1:6399", "RAY_AUTH_TOKEN": "0" * 64}
    result = _run(stranger, "python", "pipelines/health.py")
    assert result.returncode == 2
    assert "or it wants another token than this command's" in result.stderr


@pytest.mark.extended
def test_a_jobs_log_is_json_where_that_is_asked_for(cluster, prepared, tmp_path):
    runtime_env = yaml.safe_load((ROOT / "cluster" / "runtime-env.yaml").read_text())
    runtime_env["env_vars"]["ISNET_LOG_FORMAT"] = "json"
    (tmp_path / "runtime-env.yaml").write_text(yaml.safe_dump(runtime_env))
    words = ["smoke", "--data", prepared, "--output", tmp_path, "--name", "told", "--steps", 2,
             "--tracking.uri", f"sqlite:///{tmp_path}/mlflow.db", "--batch-size", 4,
             "--generator.channels", 2, "--discriminator.channels", 2, "--loss.extractor", "random",
             "--log-every", 1]  # fmt: skip
    result = _job(
        cluster, "--submission-id", "told", "--", "python", "pipelines/train.py", *words,
        runtime_env=tmp_path / "runtime-env.yaml",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:]
    lines = [line[line.find("{") :] for line in result.stdout.splitlines() if '"ts"' in line]
    records = [json.loads(line) for line in lines]
    (step,) = [record for record in records if record.get("step") == 2 and "loss_l1" in record]
    assert (step["run"], step["rank"], step["submission_id"]) == ("told", 0, "told")
    (driver,) = [record for record in records if record["message"].startswith("training told")]
    assert (driver["job_id"], driver["submission_id"]) == (step["job_id"], "told")
