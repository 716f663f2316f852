"""Each alert fires for what it is named after, and none while all is well."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.promtool import Promtool

FOLDER = ROOT / "cluster" / "prometheus"
FILES = sorted(FOLDER.glob("*-alerts.yaml"))

Series = dict[str, str]
"""Values of each series in minutes of an hour: a beginning, and what each minute adds."""

# The endpoint.
ANSWERED = 'ray_isnet_requests_total{application="isnet",code="200"}'
FAILED = 'ray_isnet_requests_total{application="isnet",code="500"}'
REFUSED = 'ray_isnet_rejected_total{application="isnet",reason="overloaded"}'
WRONG = 'ray_isnet_rejected_total{application="isnet",reason="size_mismatch"}'
QUICK = 'ray_isnet_request_seconds_bucket{application="isnet",route="/v1/inpaint",le="20.0"}'
MINUTE = QUICK.replace("20.0", "60.0")
ALL = QUICK.replace("20.0", "+Inf")
IN_FLIGHT = 'ray_isnet_in_flight{application="isnet"}'
STATUS = 'ray_serve_deployment_status{application="isnet",deployment="Model"}'
FIRST = (
    'ray_serve_deployment_replica_healthy{application="isnet",deployment="Model",replica="first"}'
)
SECOND = FIRST.replace("first", "second")
ENDPOINT: Series = {
    ANSWERED: "0+100x60",
    FAILED: "0+1x60",
    WRONG: "0+50x60",
    QUICK: "0+100x60",
    MINUTE: "0+101x60",
    ALL: "0+101x60",
    IN_FLIGHT: "0x60",
    STATUS: "6x60",
    FIRST: "1x60",
    SECOND: "0x60",
}

# A run of two workers.
ACTIVE = 'ray_isnet_train_active{run="a"}'
STEPS = 'ray_isnet_train_steps_total{run="a",rank="0"}'
SAMPLES = 'ray_isnet_train_samples_total{run="a",rank="0"}'
DATA = 'ray_isnet_train_seconds_total{run="a",rank="0",part="data"}'
STEP = 'ray_isnet_train_seconds_total{run="a",rank="0",part="step"}'
UNDECODABLE = 'ray_isnet_train_undecodable_rows_total{run="a",rank="0"}'
ROLLBACKS = 'ray_isnet_train_rollbacks_total{run="a"}'
LAST_STEP = 'ray_isnet_train_last_step_timestamp_seconds{run="a",rank="0",NodeAddress="10.0.0.2"}'
RUN: Series = {
    ACTIVE: "1x60",
    STEPS: "0+60x60",
    SAMPLES: "0+600x60",
    DATA: "0+6x60",
    STEP: "0+54x60",
    UNDECODABLE: "0+1x60",
    ROLLBACKS: "1x60",  # long ago
    LAST_STEP: "0+60x60",
}

# A campaign.
TRIALS = 'ray_isnet_tune_trials{campaign="c",state="STATE"}'
CAMPAIGN: Series = {
    TRIALS.replace("STATE", "waiting"): "10x60",
    TRIALS.replace("STATE", "running"): "2x60",
    TRIALS.replace("STATE", "finished"): "8x60",
    TRIALS.replace("STATE", "failed"): "1x60",
    TRIALS.replace("STATE", "stopped"): "1x60",
}

# A bulk job.
PICTURES = 'ray_isnet_bulk_pictures_total{bulk_job="j",outcome="OUTCOME"}'
LEFT = 'ray_isnet_bulk_pictures_left{bulk_job="j"}'
MEASURED = 'ray_isnet_bulk_measured_total{bulk_job="j"}'
READ = 'ray_isnet_bulk_seconds_total{bulk_job="j",part="read"}'
MODEL = 'ray_isnet_bulk_seconds_total{bulk_job="j",part="model"}'
FILLED = PICTURES.replace("OUTCOME", "filled")
JOB: Series = {
    FILLED: "0+100x60",
    PICTURES.replace("OUTCOME", "no_mask"): "0+1x60",
    LEFT: "10000-100x60",
    MEASURED: "10000x60",
    READ: "0+6x60",
    MODEL: "0+54x60",
}

# A head and a worker with a GPU.
UP = 'up{job="ray",instance="10.0.0.2:8080"}'
HEAD_MEMORY = 'ray_node_mem_used{ip="10.0.0.1",IsHeadNode="true"}'
NODE_MEMORY = 'ray_node_mem_used{ip="10.0.0.2",IsHeadNode="false"}'
STORE = 'ray_object_store_used_memory{NodeAddress="10.0.0.2"}'
SPILLED = 'ray_object_store_memory{NodeAddress="10.0.0.2",Location="SPILLED"}'
GPU = 'ray_node_gpus_utilization{ip="10.0.0.2",GpuIndex="0"}'
GROUPS = 'ray_gcs_placement_group_count{State="Pending"}'
INFEASIBLE = 'ray_scheduler_unscheduleable_tasks{NodeAddress="10.0.0.1",Reason="Infeasible"}'
USED = 'ray_resources{NodeAddress="10.0.0.2",Name="CPU",State="USED"}'
CLUSTER: Series = {
    UP: "1x60",
    'up{job="ray",instance="10.0.0.1:8080"}': "1x60",
    HEAD_MEMORY: "4x60",
    HEAD_MEMORY.replace("used", "total"): "10x60",
    NODE_MEMORY: "8x60",
    NODE_MEMORY.replace("used", "total"): "10x60",
    STORE: "8x60",
    STORE.replace("used", "available"): "2x60",
    SPILLED: "0x60",
    GPU: "90x60",
    'ray_node_gpus_utilization{ip="10.0.0.3",GpuIndex="0"}': "0x60",  # nobody trains there
    GROUPS: "0x60",
    INFEASIBLE: "0x60",
    USED: "8x60",
    USED.replace("10.0.0.2", "10.0.0.4"): "0x30 _x30",  # an autoscaler's
}

WELL: Series = {**ENDPOINT, **RUN, **CAMPAIGN, **JOB, **CLUSTER}

TROUBLES: dict[str, tuple[Series, list[str]]] = {
    "well": ({}, []),
    "errors": ({FAILED: "0+10x60"}, ["IsnetErrors"]),
    "overload": ({REFUSED: "0+3x60"}, ["IsnetShedding"]),
    "slow": ({QUICK: "0+90x60"}, ["IsnetSlow"]),
    "unhealthy": ({FIRST: "1x30 0x30"}, ["IsnetNoReplica"]),
    "dead": (
        {FIRST: "1x30 _x30", SECOND: "0x30 _x30", STATUS: "6x30 2x30"},
        ["IsnetNoReplica"],
    ),
    "gone": ({IN_FLIGHT: "0x30 _x30"}, ["IsnetGone"]),
    "no endpoint ever": (dict.fromkeys(ENDPOINT, "_x60"), []),
    "one of two gone": (
        {IN_FLIGHT: "0x30 _x30", IN_FLIGHT.replace('"isnet"', '"other"'): "0x60"},
        ["IsnetGone"],
    ),
    "hanging run": ({STEPS: "0+60x30 1800x30"}, ["IsnetTrainingStuck"]),
    "run without workers": (
        {STEPS: "0+60x30 _x30", LAST_STEP: "0+60x30 _x30"},
        ["IsnetTrainingStuck"],
    ),
    "finished run": ({ACTIVE: "1x30 _x30", STEPS: "0+60x30 _x30"}, []),
    "starved run": ({DATA: "0+30x60", STEP: "0+30x60"}, ["IsnetTrainingStarved"]),
    "first rollback": ({ROLLBACKS: "_x45 1x15"}, ["IsnetTrainingRollbacks"]),
    "another rollback": ({ROLLBACKS: "1x45 2x15"}, ["IsnetTrainingRollbacks"]),
    "rollback long ago": ({ROLLBACKS: "_x15 1x45"}, []),
    "damaged shards": ({UNDECODABLE: "0+12x60"}, ["IsnetTrainingUndecodable"]),
    "failing trials": ({TRIALS.replace("STATE", "failed"): "1x30 5x30"}, ["IsnetTrialsFailing"]),
    "no room for trials": (
        {TRIALS.replace("STATE", "running"): "2x30 0x30"},
        ["IsnetCampaignStuck"],
    ),
    "finished campaign": (
        {TRIALS.replace("STATE", name): "0x60" for name in ("running", "waiting")},
        [],
    ),
    "failing pictures": (
        {PICTURES.replace("OUTCOME", "undecodable"): "0+20x60"},
        ["IsnetBulkFailing"],
    ),
    "hanging job": ({name: "50x60" for name in JOB if "pictures" in name}, ["IsnetBulkStuck"]),
    "measuring job": (
        {name: "50x60" for name in JOB if "pictures" in name} | {MEASURED: "0+100x60"},
        [],
    ),
    "starved job": ({READ: "0+30x60", MODEL: "0+30x60"}, ["IsnetBulkStarved"]),
    "no cluster": (
        {name: "1x30 _x30" for name in CLUSTER if name.startswith("up")},
        ["IsnetClusterGone"],
    ),
    "silent node": ({UP: "1x30 0x30"}, ["IsnetNodeLost"]),
    "lost node": ({UP: "1x50 _x10", USED: "8x50 _x10"}, ["IsnetNodeLost"]),
    "full head": ({HEAD_MEMORY: "4x30 9.5x30"}, ["IsnetHeadMemory"]),
    "full node": ({NODE_MEMORY: "8x30 9.5x30"}, ["IsnetNodeMemory"]),
    "full store": ({STORE: "8x30 30x30"}, ["IsnetObjectStoreFull"]),
    "spilling": ({SPILLED: "0x30 1000x30"}, ["IsnetSpilling"]),
    "idle GPU": ({GPU: "90x30 3x30"}, ["IsnetGpuIdle"]),
    "no nodes": ({GROUPS: "0x30 1x30"}, ["IsnetWaitingForRoom"]),
    "too large a wish": ({INFEASIBLE: "0x30 3x30"}, ["IsnetWaitingForRoom"]),
}


def rules() -> list[dict[str, Any]]:
    groups = [group for file in FILES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def expect(promtool: Promtool, folder: Path, values: Series, firing: dict[str, list[str]]) -> None:
    """Have Prometheus say which alerts fire at each of these times."""
    fires = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": time,
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
        }
        for time, names in firing.items()
    ]
    series = [{"series": name, "values": of_each} for name, of_each in values.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": fires}
    case = {"rule_files": list(map(str, FILES)), "evaluation_interval": "1m", "tests": [test]}
    (folder / "case.yaml").write_text(yaml.safe_dump(case))
    promtool("test", "rules", folder / "case.yaml")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_fires_when_it_should(promtool: Promtool, tmp_path: Path, trouble: str) -> None:
    changes, firing = TROUBLES[trouble]
    expect(promtool, tmp_path, {**WELL, **changes}, {"59m": firing})


def test_an_endpoint_that_was_taken_down_is_forgotten_after_a_day(
    promtool: Promtool, tmp_path: Path
) -> None:
    """One that is gone again and again within the day is missed each time."""
    series = {IN_FLIGHT: "0x10 _x60 0x10 _x1600", UP: "1x1680"}
    times = {"9m": [], "60m": ["IsnetGone"], "80m": [], "23h": ["IsnetGone"], "26h": []}
    expect(promtool, tmp_path, series, times)


def test_each_alert_has_been_seen_to_fire() -> None:
    seen = {name for _, firing in TROUBLES.values() for name in firing}
    assert {rule["alert"] for rule in rules()} == seen


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_are_rules(promtool: Promtool, file: Path) -> None:
    promtool("check", "rules", file)


def test_each_alert_names_its_runbook() -> None:
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}
        anchor = rule["alert"].lower()
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{anchor}"
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_prometheus_on_the_head_takes_its_configuration(promtool: Promtool, tmp_path: Path) -> None:
    """With a list of nodes of its own: this machine's may be left from a Ray that is gone."""
    rays = "/tmp/ray/prom_metrics_service_discovery.json"
    nodes = tmp_path / "nodes.json"
    nodes.write_text(json.dumps([{"labels": {"job": "ray"}, "targets": ["10.0.0.1:8080"]}]))
    shutil.copytree(FOLDER, tmp_path / "prometheus")
    config = tmp_path / "prometheus" / "prometheus.yaml"
    written = config.read_text()
    assert written.count(rays) == 1
    config.write_text(written.replace(rays, str(nodes)))
    said = promtool("check", "config", config)
    assert f"{len(FILES)} rule files found" in said


def test_prometheus_on_kubernetes_scrapes_what_the_alerts_call_ray() -> None:
    """Debian's Prometheus is built without Kubernetes, and does not take the file."""
    machines, pods = (
        yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
        for name in ("prometheus", "kubernetes")
    )
    assert [job["job_name"] for job in pods["scrape_configs"]] == ["ray"]
    for key in ("global", "rule_files"):
        assert machines[key] == pods[key]


def test_relabelling_on_kubernetes_is_understood(promtool: Promtool, tmp_path: Path) -> None:
    config = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())
    (job,) = config["scrape_configs"]
    del job["kubernetes_sd_configs"]
    job["static_configs"] = [{"targets": ["10.0.0.1:8080"]}]
    del config["rule_files"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    promtool("check", "config", tmp_path / "config.yaml")


def test_each_alert_has_a_section_in_the_runbook() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    headings = re.findall(r"^#+ (Isnet\w+)$", text, flags=re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in rules())
