"""How Grafana wants panels, variables and dashboards to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
STAT_HEIGHT, GRAPH_HEIGHT, HEADING_HEIGHT = 4, 8, 1
GRAPHS_ABREAST = 3
GREEN: Json = {"color": "green", "value": None}


@dataclass(frozen=True, kw_only=True)
class Stat:
    """One number, coloured by steps above which it is worse (or better)."""

    title: str
    description: str
    query: str
    unit: str = "short"
    decimals: int = 0
    most: float | None = None
    steps: Sequence[tuple[str, float | None]] = (("green", None),)

    def json(self) -> Json:
        """Write it without its place."""
        return {
            "type": "stat",
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "targets": [_target("A", "", self.query, range=False, instant=True)],
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    "decimals": self.decimals,
                    "min": 0,
                    **_maximum(self.most),
                    "color": {"mode": "thresholds"},
                    "thresholds": {
                        "mode": "absolute",
                        "steps": [{"color": color, "value": value} for color, value in self.steps],
                    },
                },
                "overrides": [],
            },
            "options": {
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "textMode": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            },
        }


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Lines over time."""

    title: str
    description: str = ""
    queries: Mapping[str, str]
    """By legend."""
    unit: str = "short"
    decimals: int | None = None
    least: float | None = 0
    most: float | None = None
    stacked: bool = False
    colors: Mapping[str, str] = field(default_factory=dict)
    """By pattern of the legend."""

    def json(self) -> Json:
        """Write it without its place."""
        letters = "ABCDEFGH"
        return {
            "type": "timeseries",
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "targets": [
                _target(letter, legend, query, range=True)
                for letter, (legend, query) in zip(letters, self.queries.items(), strict=False)
            ],
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    **({} if self.decimals is None else {"decimals": self.decimals}),
                    **({} if self.least is None else {"min": self.least}),
                    **_maximum(self.most),
                    "color": {"mode": "palette-classic"},
                    "custom": {
                        "drawStyle": "line",
                        "fillOpacity": 40 if self.stacked else 10,
                        "lineWidth": 1,
                        "showPoints": "never",
                        "spanNulls": False,
                        "stacking": {"group": "A", "mode": "normal" if self.stacked else "none"},
                    },
                },
                "overrides": [_colored(*pair) for pair in self.colors.items()],
            },
            "options": {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            },
        }


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What can be chosen above the panels: values of a label."""

    name: str
    label: str
    description: str
    query: str

    def json(self) -> Json:
        """Write it."""
        return {
            "type": "query",
            "name": self.name,
            "label": self.label,
            "description": self.description,
            "datasource": SOURCE,
            "definition": self.query,
            "query": {
                "qryType": 1,
                "query": self.query,
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            },
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "options": [],
            "hide": 0,
        }


@dataclass(frozen=True, kw_only=True)
class Board:
    """A dashboard: numbers at the top, and below them graphs under headings."""

    name: str
    title: str
    description: str
    variables: Sequence[Variable]
    stats: Sequence[Stat]
    graphs: Mapping[str, Sequence[Graph]]
    """By heading."""

    def json(self) -> Json:
        """Write it."""
        return {
            "uid": f"isnet-{self.name}",
            "title": self.title,
            "description": self.description,
            "tags": ["isnet", "ray", self.name],
            "schemaVersion": 41,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "",
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "fiscalYearStartMonth": 0,
            "timepicker": {},
            "links": [_LINKS],
            "annotations": {"list": [_ANNOTATIONS]},
            "templating": {"list": [_DATA_SOURCE, *(one.json() for one in self.variables)]},
            "panels": self._panels(),
        }

    def _panels(self) -> list[Json]:
        width = COLUMNS // len(self.stats)
        top = 0
        found = []
        for index, stat in enumerate(self.stats):
            found.append((stat.json(), (index * width, top, width, STAT_HEIGHT)))
        top += STAT_HEIGHT
        for heading, graphs in self.graphs.items():
            found.append((_heading(heading), (0, top, COLUMNS, HEADING_HEIGHT)))
            top += HEADING_HEIGHT
            for low in range(0, len(graphs), GRAPHS_ABREAST):
                row = graphs[low : low + GRAPHS_ABREAST]
                width = COLUMNS // len(row)
                for index, graph in enumerate(row):
                    found.append((graph.json(), (index * width, top, width, GRAPH_HEIGHT)))
                top += GRAPH_HEIGHT
        return [
            {"id": number, **panel, "gridPos": dict(zip("xywh", place, strict=True))}
            for number, (panel, place) in enumerate(found, start=1)
        ]


def quantiles(
    name: str, labels: str, *by: str, shares: Sequence[float] = (0.5, 0.95, 0.99)
) -> dict[str, str]:
    """Ask for quantiles of a histogram, by labels; the legends name the share first."""
    legend = "".join(f" {{{{{label}}}}}" for label in by)
    grouped = ", ".join(("le", *by))
    rates = f"sum by ({grouped}) (rate({name}_bucket{labels}[$__rate_interval]))"
    return {
        f"{share * 100:g} %{legend}": f"histogram_quantile({share:g}, {rates})" for share in shares
    }


def mean_and_95(name: str, labels: str) -> dict[str, str]:
    """Ask for the mean of a histogram of whole numbers, and a quantile."""
    sums, counts = (
        f"sum(rate({name}_{part}{labels}[$__rate_interval]))" for part in ("sum", "count")
    )
    return {"mean": f"{sums} / {counts}", **quantiles(name, labels, shares=(0.95,))}


def rate(name: str, labels: str, *by: str) -> str:
    """Ask by how much a counter grows a second, by labels."""
    grouped = f"sum by ({', '.join(by)}) " if by else "sum"
    return f"{grouped}(rate({name}{labels}[$__rate_interval]))"


def _target(letter: str, legend: str, query: str, **how: bool) -> Json:
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query,
        "legendFormat": legend,
        "refId": letter,
        **how,
    }


def _heading(title: str) -> Json:
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def _maximum(most: float | None) -> Json:
    return {} if most is None else {"max": most}


def _colored(pattern: str, color: str) -> Json:
    return {
        "matcher": {"id": "byRegexp", "options": pattern},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
    }


_LINKS: Json = {
    "type": "dashboards",
    "title": "ISNet",
    "tags": ["isnet"],
    "asDropdown": False,
    "includeVars": False,
    "keepTime": True,
    "targetBlank": False,
    "icon": "external link",
    "tooltip": "",
    "url": "",
}
_ANNOTATIONS: Json = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}
_DATA_SOURCE: Json = {
    "type": "datasource",
    "name": "datasource",
    "label": "Data source",
    "query": "prometheus",
    "refresh": 1,
    "regex": "",
    "multi": False,
    "includeAll": False,
    "current": {},
    "options": [],
    "hide": 0,
}
