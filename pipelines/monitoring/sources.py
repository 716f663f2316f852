"""Where values are read: from every node of a cluster, or from a Prometheus that collects them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import httpx
import ray

from isnet.config import InputError
from pipelines.cli import one_line
from pipelines.cluster import connect
from pipelines.monitoring.samples import Reading, Sample, parse
from pipelines.storage import inside_ray_job, printable

_ANSWER_S = 10.0
_LOST = (2, 3)
"""Ray's numbers for a node that died unexpectedly, or was taken away; others left in order."""

_HERE = "127.0.0.1"
_AT_ONCE = 16
"""Nodes that are asked at the same time."""

_WANTED = (
    "ray_(isnet_.+|node_.+|object_store_.+|serve_deployment_.+|"
    "scheduler_unscheduleable_tasks|gcs_placement_group_count)"
)
"""Of the thousands of series that a Prometheus has."""


Target = tuple[str, str | None]
"""A node's host, and where it exports metrics, `host:port`; None for one that Ray has lost."""


class Source(Protocol):
    """Whoever knows what is exported."""

    name: str
    """For people."""

    def window(self, seconds: float) -> tuple[Reading, Reading]:
        """Read twice, so many seconds apart."""


class Nodes:
    """The nodes themselves: each is asked twice. A `Source`."""

    def __init__(self, name: str, targets: Sequence[Target]) -> None:
        """Take the nodes.

        Args:
            name: of the cluster, for people.
            targets: where nodes export metrics.

        """
        self.name, self._targets = name, targets

    def window(self, seconds: float) -> tuple[Reading, Reading]:
        """Read twice, and wait in between."""
        before = self._read()
        time.sleep(seconds)
        return before, self._read()

    def _read(self) -> Reading:
        at = time.time()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            texts = list(threads.map(_scrape, [target for _, target in self._targets]))
        samples = [sample for text in texts if text is not None for sample in parse(text)]
        answers = [text is not None for text in texts]
        hosts = [host for host, _ in self._targets]
        return Reading(at=at, samples=samples, nodes=_by_host(zip(hosts, answers, strict=True)))


class Prometheus:
    """A Prometheus server, which remembers. A `Source`."""

    def __init__(self, url: str) -> None:
        """Take its address, e.g. `http://127.0.0.1:9090`; a user and password may stand in it."""
        self.name = f"Prometheus at {printable(url)}"
        self._url = url.rstrip("/")

    def window(self, seconds: float) -> tuple[Reading, Reading]:
        """Read what it has of now, and of a while ago."""
        now = time.time()
        return self._read(now - seconds), self._read(now)

    def _read(self, at: float) -> Reading:
        samples = self._query(f'{{__name__=~"{_WANTED}"}}', at)
        up = self._query('up{job="ray"}', at)
        answers = [(_host(one.labels.get("instance", "")), one.value > 0) for one in up]
        return Reading(at=at, samples=samples, nodes=_by_host(answers))

    def _query(self, query: str, at: float) -> list[Sample]:
        """Ask for the values of a moment.

        Raises:
            InputError: it does not answer, or refuses.

        """
        try:
            answer = httpx.get(
                f"{self._url}/api/v1/query",
                params={"query": query, "time": f"{at:.3f}"},
                timeout=_ANSWER_S,
            ).raise_for_status()
            found: list[dict[str, Any]] = answer.json()["data"]["result"]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
            reason = printable(one_line(error))
            raise InputError(f"no answer from {self.name}: {reason}; check --prometheus") from error
        return [_sample(one) for one in found]


def _sample(result: Mapping[str, Any]) -> Sample:
    labels = dict(result["metric"])
    return Sample(labels.pop("__name__", ""), labels, float(result["value"][1]))


def open_source(prometheus: str | None) -> Source:
    """Find where to read: a Prometheus, the cluster of this job or of `RAY_ADDRESS`, this machine.

    Raises:
        InputError: there is none of them, or the cluster does not let this command in.

    """
    if prometheus is not None:
        return Prometheus(prometheus)
    if inside_ray_job() or os.environ.get("RAY_ADDRESS", "local") != "local":
        return _cluster()
    return _this_machine()


def _cluster() -> Source:
    """Ask Ray for its nodes."""
    connect(show_workers=False)
    nodes = ray.nodes()
    alive: list[Target] = [
        (host, _target(host, node["MetricsExportPort"]))
        for node in nodes
        if node["Alive"] and (host := node["NodeManagerAddress"])
    ]
    lost: list[Target] = [
        (node["NodeManagerAddress"], None) for node in nodes if node["DeathReason"] in _LOST
    ]
    return Nodes(f"the cluster at {ray.get_runtime_context().gcs_address}", alive + lost)


def _this_machine() -> Source:
    """Look at the Ray that was started last on this machine, without asking it.

    A head has a list of the cluster's nodes for Prometheus. A Ray that a command has started for
    itself has none, and lets nobody in; where it exports its metrics stands beside its logs.
    """
    session = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "session_latest"
    discovery = session / "prom_metrics_service_discovery.json"
    if discovery.exists():
        nodes = _nodes_of(json.loads(discovery.read_text()))
        if any(_scrape(target) is not None for target in nodes.values()):
            return Nodes("this head's cluster", list(nodes.items()))
    else:
        targets = [
            _target(_HERE, int(path.read_text())) for path in session.glob("metrics_export_port_*")
        ]
        found = [(_HERE, target) for target in targets if _scrape(target) is not None]
        if found:
            return Nodes("the Ray of this machine", found)
    raise InputError(
        "no Ray runs on this machine, and RAY_ADDRESS is not set: submit this command as a job "
        "(ray job submit --working-dir . -- python pipelines/health.py), run it on the head, "
        "or name a --prometheus"
    )


def _nodes_of(groups: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Read the list for Prometheus: nodes, and beside them two parts of the head."""
    targets = [target for group in groups for target in group["targets"]]
    found: dict[str, str] = {}
    for target in targets:  # nodes come first
        found.setdefault(_host(target), target)
    return found


def _scrape(target: str | None) -> str | None:
    """Read a node's metrics; None where it does not answer."""
    if target is None:
        return None
    try:
        answer = httpx.get(f"http://{target}/metrics", timeout=_ANSWER_S, trust_env=False)
        return answer.raise_for_status().text
    except httpx.HTTPError:
        return None


def _by_host(answers: Iterable[tuple[str, bool]]) -> dict[str, bool]:
    """Say of each host whether anything on it answers: a head has three that do."""
    found: dict[str, bool] = {}
    for host, answering in answers:
        found[host] = found.get(host, False) or answering
    return found


def _target(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host(target: str) -> str:
    return target.rpartition(":")[0].strip("[]")
