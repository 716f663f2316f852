"""A run that trains, seen by the health command, by its log, and by a real Prometheus."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from pipelines.monitoring.samples import parse
from pipelines.training.metrics import METRICS
from tests.conftest import ROOT
from tests.pipelines.training_process import Training

pytestmark = [pytest.mark.slow, pytest.mark.ray]

ABSENT_ON_A_HEALTHY_RUN = {
    "isnet_train_undecodable_rows_total",
    "isnet_train_rollbacks_total",
}


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """Where the run's Ray keeps its files: short, for Ray puts sockets there."""
    folder = Path("/tmp") / f"isnet-live-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def training(
    prepared: str, temporary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Training]:
    """A run of two workers that goes on for as long as the tests do."""
    folder = tmp_path_factory.mktemp("live")
    run = Training(prepared, folder, name="live", steps=100_000, validate_every=50)
    run.start(
        RAY_TMPDIR=str(temporary),
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
        ISNET_LOG_FORMAT="json",
    )
    run.wait_for_output("step 20/")
    yield run
    run.kill()


@pytest.fixture(scope="module")
def prometheus(training: Training, temporary: Path, tmp_path_factory) -> Iterator[str]:
    """A Prometheus with our configuration, but that it looks every second; its address."""
    if not shutil.which("prometheus"):
        pytest.skip("no prometheus on the PATH")
    folder = tmp_path_factory.mktemp("prometheus")
    for file in (ROOT / "cluster" / "prometheus").glob("*.yaml"):
        shutil.copy(file, folder)
    config = yaml.safe_load((folder / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    targets = [{"targets": [_exporter(temporary)]}]
    (folder / "targets.json").write_text(json.dumps(targets))
    (job,) = config["scrape_configs"]
    job["file_sd_configs"] = [{"files": ["targets.json"]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["prometheus", "--config.file=prometheus.yaml", f"--web.listen-address={address}",
             f"--storage.tsdb.path={folder}/data"],
            cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
    _wait_until(lambda: httpx.get(f"http://{address}/-/ready").is_success, folder / "log")
    yield f"http://{address}"
    process.terminate()
    process.wait()


def test_the_command_sees_the_run(training: Training, temporary: Path) -> None:
    def told() -> bool:
        """Both ranks have told of themselves, as they do every ten seconds: rates need it twice."""
        exported = parse(httpx.get(f"http://{_exporter(temporary)}/metrics").text)
        samples = [each for each in exported if each.name == "ray_isnet_train_samples_total"]
        return {each.labels["rank"] for each in samples} == {"0", "1"}

    _wait_until(told)
    _assert_well(_health(temporary))
    text = _run_health(temporary)
    assert "live  2      " in text
    assert "no GPU" in text


@pytest.mark.extended
def test_it_sees_the_same_through_prometheus(prometheus: str, temporary: Path) -> None:
    def known() -> bool:
        return bool(_query(prometheus, "ray_isnet_train_samples_total offset 25s"))

    _wait_until(known)
    state = _health(temporary, "--prometheus", prometheus, "--window", "20")
    _assert_well(state)
    assert state["source"] == f"Prometheus at {prometheus}"


@pytest.mark.extended
def test_prometheus_has_every_metric_of_training(prometheus: str) -> None:
    expected = {
        series
        for metric in METRICS
        if metric.name not in ABSENT_ON_A_HEALTHY_RUN
        for series in metric.exported
    }
    _wait_until(lambda: all(_query(prometheus, f'{name}{{run="live"}}') for name in expected))


@pytest.mark.extended
def test_the_dashboards_panels_have_values(prometheus: str) -> None:
    def shown(name: str) -> dict[str, bool]:
        panels = json.loads((ROOT / "cluster" / "grafana" / f"{name}.json").read_text())["panels"]
        return {
            f"{panel['title']}: {target['expr']}": bool(_query(prometheus, _filled(target["expr"])))
            for panel in panels
            for target in panel.get("targets", [])
        }

    def empty() -> list[str]:
        found = shown("training") | shown("cluster")
        names = [name for name, has_values in found.items() if not has_values]
        # No GPU here, nothing that waits, nothing that failed; Ray Data tells of what it did only
        # now and then.
        allowed = ("ray_node_g", "undecodable", "> 0", "ray_data_")
        return [name for name in names if not any(word in name for word in allowed)]

    _wait_until(lambda: not empty())


def test_its_log_is_json_that_says_whose_it_is(training: Training) -> None:
    printed = [line[line.find("{") :] for line in training.output.splitlines() if '"ts"' in line]
    records = [json.loads(line, parse_constant=pytest.fail) for line in printed]
    steps = [record for record in records if "samples_per_second" in record]
    assert len(steps) >= 20
    for record in steps:
        assert (record["run"], record["rank"], record["world_size"]) == ("live", 0, 2)
        assert (record["logger"], record["job_id"]) == ("pipelines.training.observer", "01000000")
        assert record["loss_l1"] > 0
        assert record["message"].startswith(f"step {record['step']}/100000  ")
    (driver,) = [record for record in records if record["message"].startswith("training live on")]
    assert driver["run"] == "live"
    assert len(driver["run_id"]) == 32


def _exporter(temporary: Path) -> str:
    """The address at which the run's only node exports what is counted on it."""
    (port,) = (temporary / "ray" / "session_latest").glob("metrics_export_port_*")
    return f"127.0.0.1:{port.read_text()}"


def _assert_well(state: dict[str, Any]) -> None:
    (run,) = state["runs"]
    assert (run["name"], run["ranks"]) == ("live", 2)
    assert run["step"] >= 20
    assert run["steps_planned"] == 100_000
    assert run["samples_per_second"] > 0
    assert 0 <= run["stall"] <= 1
    assert sum(run["time"].values()) == pytest.approx(1)
    assert 0 <= run["last_step_age"] < 60
    (node,) = state["nodes"]
    assert node["store_total"] > 0
    assert 0 <= node["store_used"] <= node["store_total"]
    assert node["gpus"] == []
    assert state["lost"] == []


def _health(temporary: Path, *words: str) -> dict[str, Any]:
    return json.loads(_run_health(temporary, "--json", *words))


def _run_health(temporary: Path, *words: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    ended = subprocess.run(
        [sys.executable, ROOT / "pipelines" / "health.py", *words],
        env=environment | {"RAY_TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _query(prometheus: str, expression: str) -> list[Any]:
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": expression})
    assert answer.is_success, answer.text
    return answer.json()["data"]["result"]


def _filled(expression: str) -> str:
    for name, value in {"__rate_interval": "20s", "run": "live", "node": ".*"}.items():
        expression = expression.replace(f"${name}", value)
    return expression


def _wait_until(condition: Callable[[], bool], log: Path | None = None) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            if condition():
                return
        time.sleep(1)
    raise AssertionError(log.read_text() if log is not None else "it did not come to be")
