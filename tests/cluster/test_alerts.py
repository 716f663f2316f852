"""Each alert fires for what it is named after, and none while the endpoint is well."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.pipelines.serving.conftest import ALERTS, Promtool

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

WELL = {
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
"""Values of each series in minutes of an hour: a beginning, and what each minute adds."""


@pytest.mark.parametrize(
    ("trouble", "firing"),
    [
        ({}, []),
        ({FAILED: "0+10x60"}, ["IsnetErrors"]),
        ({REFUSED: "0+3x60"}, ["IsnetShedding"]),
        ({QUICK: "0+90x60"}, ["IsnetSlow"]),
        ({FIRST: "1x30 0x30"}, ["IsnetNoReplica"]),
        ({FIRST: "1x30 _x30", SECOND: "0x30 _x30", STATUS: "6x30 2x30"}, ["IsnetNoReplica"]),
        ({IN_FLIGHT: "0x30 _x30"}, ["IsnetGone"]),
    ],
    ids=["well", "errors", "overload", "slow", "unhealthy", "dead", "gone"],
)
def test_fires_when_it_should(
    promtool: Promtool, tmp_path: Path, trouble: dict[str, str], firing: list[str]
) -> None:
    series = [{"series": name, "values": values} for name, values in {**WELL, **trouble}.items()]
    fires = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "59m",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing],
    }
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [fires]}
    case = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(case))
    promtool("test", "rules", tmp_path / "case.yaml")


def test_are_rules(promtool: Promtool) -> None:
    promtool("check", "rules", ALERTS)
