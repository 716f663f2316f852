"""The dashboards and the alerts, held against what is declared and what Ray exports."""

from __future__ import annotations

import dataclasses
import itertools
import json
import mmap
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.data._internal.execution.interfaces.op_runtime_metrics import OpRuntimeMetrics

from tests.conftest import ROOT
from tests.pipelines.metrics import METRICS
from tests.promtool import Promtool

GRAFANA = ROOT / "cluster" / "grafana"
FILES = sorted(GRAFANA.glob("*.json"))
ALERTS = sorted((ROOT / "cluster" / "prometheus").glob("*-alerts.yaml"))
GRID_COLUMNS = 24

Dashboard = dict[str, Any]

each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@cache
def dashboard(file: Path) -> Dashboard:
    return json.loads(file.read_text(encoding="utf-8"))


def expressions(file: Path) -> list[str]:
    panels = dashboard(file)["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def without_variables(expression: str, names: set[str]) -> str:
    """What Grafana would send to Prometheus."""
    expression = expression.replace("$__rate_interval", "5m")
    for name in names:
        expression = expression.replace(f"${name}", ".*")
    return expression


def variables(file: Path) -> list[dict[str, Any]]:
    return dashboard(file)["templating"]["list"]


def series() -> set[str]:
    """Series that dashboards and alerts name."""
    groups = [group for file in ALERTS for group in yaml.safe_load(file.read_text())["groups"]]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    queries = [variable.get("query") for file in FILES for variable in variables(file)]
    text = json.dumps([rules, queries, [expressions(file) for file in FILES]])
    return set(re.findall(r"\bray_\w+", text))


def test_the_files_are_as_their_source_says() -> None:
    command = [sys.executable, GRAFANA / "build.py", "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [file.stem for file in FILES] == ["bulk", "cluster", "serve", "training", "tune"]


@each
def test_is_a_dashboard_whose_panels_can_be_told_apart(file: Path) -> None:
    content = dashboard(file)
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= content.keys()
    panels = content["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] for panel in panels)
    for panel in panels:
        references = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(references)) == len(references)


@each
def test_panels_lie_side_by_side_on_the_grid(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard(file)["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))
        assert max(columns) < GRID_COLUMNS, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == GRID_COLUMNS * (1 + max(row for _, row in taken))  # no holes either


@each
def test_every_query_asks_the_chosen_data_source(file: Path) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in dashboard(file)["panels"]:
        for target in panel.get("targets", []):
            assert panel["datasource"] == target["datasource"] == chosen


@each
def test_queries_are_promql(promtool: Promtool, tmp_path: Path, file: Path) -> None:
    names = {variable["name"] for variable in variables(file)} - {"datasource"}
    records = [
        {"record": f"panel:{number}", "expr": without_variables(expression, names)}
        for number, expression in enumerate(expressions(file))
    ]
    assert not [record for record in records if "$" in record["expr"]]
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]})
    )
    promtool("check", "rules", tmp_path / "rules.yaml")


def test_dashboards_have_addresses_of_their_own() -> None:
    assert len({dashboard(file)["uid"] for file in FILES}) == len(FILES)
    assert len({dashboard(file)["title"] for file in FILES}) == len(FILES)


def test_every_metric_is_shown_and_no_other() -> None:
    declared = {metric.name: set(metric.exported) for metric in METRICS}
    shown = {name for name in series() if name.startswith("ray_isnet_")}
    assert shown <= set().union(*declared.values())
    assert [name for name, exported in declared.items() if not exported & shown] == []


def test_labels_are_those_of_the_metrics() -> None:
    """A misspelt label is no error to Prometheus: it matches nothing."""
    common = {"application", "deployment", "replica", "NodeAddress", "le"}
    tags = {name: set(metric.tags) for metric in METRICS for name in metric.exported}
    for file in FILES:
        for expression in expressions(file):
            for name, selector in re.findall(r"(ray_isnet_\w+)\{([^}]*)\}", expression):
                labels = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", selector))
                assert labels <= tags[name] | common, expression


def test_rays_own_metrics_are_in_this_ray() -> None:
    (folder,) = find_spec("ray").submodule_search_locations
    ray = Path(folder)
    sources = [ray / "dashboard/modules/reporter/reporter_agent.py"]
    sources += [ray / "data/_internal/stats.py", *ray.glob("serve/_private/*.py")]
    python = "".join(path.read_text() for path in sources)
    operators = {f"data_{field.name}" for field in dataclasses.fields(OpRuntimeMetrics)}
    operators |= {f"data_{name}" for name in vars(OpRuntimeMetrics)}  # properties
    for name in sorted(series()):
        if name.startswith("ray_isnet_"):
            continue
        plain = name.removeprefix("ray_")
        spellings = {plain, plain.removesuffix("_total")}  # which Ray adds to counters
        known = spellings & operators or any(f'"{word}"' in python for word in spellings)
        assert known or _in_programs(ray, plain), name


def _in_programs(ray: Path, name: str) -> bool:
    """Whether one of Ray's compiled parts holds the name as a string of its own."""
    for program in ("core/src/ray/raylet/raylet", "core/src/ray/gcs/gcs_server", "_raylet.so"):
        with (
            (ray / program).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            if content.find(b"\0" + name.encode() + b"\0") >= 0:
                return True
    return False


def test_grafana_is_told_where_they_are() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())
    (prometheus,) = source["datasources"]
    assert (prometheus["type"], prometheus["url"]) == ("prometheus", "$PROMETHEUS_URL")
    config = yaml.safe_load((ROOT / "cluster/prometheus/prometheus.yaml").read_text())
    assert prometheus["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/isnet.yaml").read_text())
    (folder,) = provider["providers"]
    assert folder["options"]["path"] == "/opt/isnet/cluster/grafana"


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [metric.name for metric in METRICS if f"`{metric.name}`" not in text] == []
