"""The dashboard and the alerts, held against what the endpoint declares and Ray exports."""

from __future__ import annotations

import itertools
import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from pipelines.serving.metrics import METRICS
from tests.conftest import ROOT
from tests.promtool import Promtool

DASHBOARD = ROOT / "cluster" / "grafana" / "serve.json"
ALERTS = ROOT / "cluster" / "prometheus" / "serve-alerts.yaml"
GRID_COLUMNS = 24


@cache
def dashboard() -> dict[str, Any]:
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    panels = dashboard()["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def without_variables(expression: str) -> str:
    """What Grafana would send to Prometheus."""
    expression = expression.replace("$__rate_interval", "5m")
    names = {variable["name"] for variable in dashboard()["templating"]["list"]}
    for name in names - {"datasource"}:
        expression = expression.replace(f'"${name}"', '".*"')
    return expression


def named(pattern: str) -> set[str]:
    """Series of that pattern in dashboard and alerts, without help of what is declared."""
    queries = [variable.get("query") for variable in dashboard()["templating"]["list"]]
    text = json.dumps([expressions(), queries, [rule["expr"] for rule in rules()]])
    return set(re.findall(pattern, text))


def test_is_a_dashboard_whose_panels_can_be_told_apart() -> None:
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= dashboard().keys()
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] for panel in panels)
    for panel in panels:
        references = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(references)) == len(references)


def test_panels_lie_side_by_side_on_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))
        assert max(columns) < GRID_COLUMNS, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == GRID_COLUMNS * (1 + max(row for _, row in taken))  # no holes either


def test_every_query_asks_the_chosen_data_source() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            assert panel["datasource"] == target["datasource"] == chosen


def test_queries_are_promql(promtool: Promtool, tmp_path: Path) -> None:
    records = [
        {"record": f"panel:{number}", "expr": without_variables(expression)}
        for number, expression in enumerate(expressions())
    ]
    assert not [record for record in records if "$" in record["expr"]]
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]})
    )
    promtool("check", "rules", tmp_path / "rules.yaml")


def test_shows_every_metric_and_no_other() -> None:
    declared = {metric.name: set(metric.exported) for metric in METRICS}
    shown = named(r"ray_isnet_\w+")
    assert shown <= set().union(*declared.values())
    assert [name for name, exported in declared.items() if not exported & shown] == []


def test_serves_own_metrics_are_in_this_ray() -> None:
    (folder,) = find_spec("ray.serve").submodule_search_locations
    source = "".join(path.read_text() for path in Path(folder).glob("_private/*.py"))
    for series in named(r"ray_serve_\w+"):
        name = series.removeprefix("ray_").removesuffix("_total")
        assert f'"{name}"' in source, series
