"""What the session's Ray exports for Prometheus, as soon as it does."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import ray

from pipelines.monitoring.samples import Sample, parse


def exported(name: str, **labels: str) -> list[Sample]:
    """Read the series of a metric that have these labels."""
    found = []
    for node in ray.nodes():
        address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        found += [sample for sample in parse(httpx.get(address).text) if sample.name == name]
    return [one for one in found if labels.items() <= one.labels.items()]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is exported: processes report every ten seconds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.5)
