"""What stands out is named, with what helps, and nothing else is."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
import yaml

from pipelines.monitoring import findings as thresholds
from pipelines.monitoring.findings import findings
from pipelines.monitoring.showing import as_json, as_text
from tests.conftest import ROOT
from tests.pipelines.monitoring.exported import (
    APP,
    AT,
    GIB,
    HEAD,
    JOB,
    LAST_STEPS,
    ON_HEAD,
    ON_WORKER,
    RUN,
    WORKER,
    Changes,
    state,
)

NO_WORKER: Changes = dict.fromkeys(LAST_STEPS)
TROUBLES: list[tuple[Changes, str]] = [
    (NO_WORKER, "IsnetTrainingStuck"),
    ({LAST_STEPS[1]: AT - 700}, "IsnetTrainingStuck"),
    (
        {f'ray_isnet_train_seconds_total{{{RUN},rank="1",part="data"}}': (10, 23)},
        "IsnetTrainingStarved",
    ),
    ({f"ray_isnet_train_rollbacks_total{{{RUN}}}": 1}, "IsnetTrainingRollbacks"),
    (
        {f'ray_isnet_train_undecodable_rows_total{{{RUN},rank="0"}}': 30},
        "IsnetTrainingUndecodable",
    ),
    ({'ray_isnet_tune_trials{campaign="search",state="failed"}': 4}, "IsnetTrialsFailing"),
    ({'ray_isnet_tune_trials{campaign="search",state="running"}': 0}, "IsnetCampaignStuck"),
    ({f'ray_isnet_bulk_pictures_total{{{JOB},outcome="no_mask"}}': (0, 90)}, "IsnetBulkFailing"),
    ({f'ray_isnet_bulk_seconds_total{{{JOB},part="read"}}': (5, 25)}, "IsnetBulkStarved"),
    (
        {f'ray_isnet_requests_total{{{APP},code="503",route="/v1/inpaint"}}': (0, 12)},
        "IsnetErrors",
    ),
    (
        {
            f'ray_isnet_request_seconds_bucket{{{APP},route="/v1/inpaint",le="2.0"}}': (50, 70),
            f'ray_isnet_request_seconds_bucket{{{APP},route="/v1/inpaint",le="60.0"}}': (50, 90),
        },
        "IsnetSlow",
    ),
    (
        {
            f'ray_serve_deployment_replica_healthy{{{APP},deployment="Model",replica="{name}"}}': 0
            for name in "ab"
        },
        "IsnetNoReplica",
    ),
    ({f"ray_node_mem_used{{{HEAD}}}": 15 * GIB}, "IsnetHeadMemory"),
    ({f"ray_node_mem_used{{{WORKER}}}": 63 * GIB}, "IsnetNodeMemory"),
    ({f"ray_object_store_available_memory{{{ON_WORKER}}}": 0.5 * GIB}, "IsnetObjectStoreFull"),
    ({f'ray_object_store_memory{{{ON_WORKER},Location="SPILLED"}}': GIB}, "IsnetSpilling"),
    ({'ray_node_gpus_utilization{ip="10.0.0.2",GpuIndex="0"}': 2}, "IsnetGpuIdle"),
    (
        {f'ray_scheduler_unscheduleable_tasks{{{ON_HEAD},Reason="Infeasible"}}': 2},
        "IsnetWaitingForRoom",
    ),
    ({'ray_gcs_placement_group_count{State="Pending"}': 1}, "IsnetWaitingForRoom"),
]


def test_a_cluster_that_is_well_is_called_so() -> None:
    assert findings(state()) == []
    assert as_text(state(), []).endswith("well: nothing stands out")


@pytest.mark.parametrize(("changes", "alert"), TROUBLES)
def test_each_trouble_is_named_and_alone(changes: Changes, alert: str) -> None:
    assert [finding.alert for finding in findings(state(changes))] == [alert]


def test_a_gpu_may_idle_where_nobody_trains() -> None:
    assert findings(state({'ray_node_gpus_utilization{ip="10.0.0.1",GpuIndex="0"}': 0})) == []


def test_a_lost_node_comes_after_what_is_critical() -> None:
    """Spot instances go every day, and runs go on without them."""
    nodes = {"10.0.0.1": True, "10.0.0.3": False}
    found = findings(state({f"ray_node_mem_used{{{HEAD}}}": 15 * GIB}, nodes))
    assert [one.alert for one in found] == ["IsnetHeadMemory", "IsnetNodeLost"]
    assert [one.severity for one in found] == ["critical", "warning"]
    assert found[1].subject == "node 10.0.0.3"


@cache
def alerts() -> dict[str, dict[str, Any]]:
    """Rules by their names."""
    files = (ROOT / "cluster" / "prometheus").glob("*-alerts.yaml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_finding_has_an_alert_of_its_name() -> None:
    assert {alert for _, alert in TROUBLES} | {"IsnetNodeLost"} <= alerts().keys()


@pytest.mark.parametrize(
    ("alert", "threshold"),
    [
        ("IsnetTrainingStarved", thresholds.STALL),
        ("IsnetBulkStarved", thresholds.STALL),
        ("IsnetTrainingUndecodable", thresholds.UNDECODABLE),
        ("IsnetTrialsFailing", thresholds.FAILED_TRIALS),
        ("IsnetBulkFailing", thresholds.FAILED_PICTURES),
        ("IsnetObjectStoreFull", thresholds.FULL_STORE),
        ("IsnetHeadMemory", thresholds.FULL_MEMORY),
        ("IsnetNodeMemory", thresholds.FULL_MEMORY),
        ("IsnetGpuIdle", 100 * thresholds.IDLE_GPU),  # Ray tells percent
        ("IsnetErrors", thresholds.ERRORS),
        ("IsnetSlow", thresholds.SLOW_S),
    ],
)
def test_thresholds_are_those_of_the_alerts(alert: str, threshold: float) -> None:
    (compared,) = re.findall(r"[<>]=? *([\d.]+)", alerts()[alert]["expr"])
    assert float(compared) == threshold


def test_a_run_is_silent_for_as_long_as_its_alert_says() -> None:
    (minutes,) = re.findall(r"\[(\d+)m\]", alerts()["IsnetTrainingStuck"]["expr"])
    assert 60 * float(minutes) == thresholds.SILENT_S


@pytest.mark.parametrize(("changes", "alert"), TROUBLES)
def test_severities_are_those_of_the_alerts(changes: Changes, alert: str) -> None:
    (found,) = findings(state(changes))
    if changes is NO_WORKER:  # whose alert waits for twenty minutes: it may be about to start
        assert (found.severity, alerts()[alert]["labels"]["severity"]) == ("warning", "critical")
    else:
        assert found.severity == alerts()[alert]["labels"]["severity"]


def test_the_tables_show_all_there_is() -> None:
    text = as_text(state(), [])
    for words in (
        "10.0.0.1 (head)  12%  4.0 of 16.0 GiB   0.0 of 4.0 GiB   0        no GPU",
        "95%     20.0 of 80.0 GiB",
        "first  2      1200 of 5000  8.0        16%        0:02 ago   21.50 dB",
        "search    3        2        5         1       0        22.25 dB",
        "s3://bucket/filled  290     10      700   5           5%         90%",
        "isnet     Model 2   2.00        5%      1.9 s  3          1",
    ):
        assert words in text, text


def test_a_job_that_has_tried_nothing_shows_how_fast_it_measures() -> None:
    untried: Changes = {
        f'ray_isnet_bulk_pictures_total{{{JOB},outcome="{outcome}"}}': None
        for outcome in ("filled", "no_mask")
    }
    measuring = {f"ray_isnet_bulk_measured_total{{{JOB}}}": (1000.0, 1500.0)}
    assert "0       0       700   25 measured" in as_text(state({**untried, **measuring}), [])


def test_json_holds_the_same_without_what_json_has_not() -> None:
    told = state({f'ray_isnet_train_held_out_psnr_db{{{RUN},method="progressive"}}': float("nan")})
    content = json.loads(as_json(told, findings(told)), parse_constant=pytest.fail)
    assert content["runs"][0]["stall"] == pytest.approx(0.16)
    assert content["runs"][0]["held_out_psnr_db"] is None
    assert content["nodes"][1]["gpus"][0]["utilisation"] == 0.95
    assert content["findings"] == []
