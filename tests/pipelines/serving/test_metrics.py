"""What the replicas record arrives in what Prometheus reads, under the declared names."""

from __future__ import annotations

import re
import time
import urllib.request

import pytest

from pipelines.serving.metrics import METRICS, IngressMetrics, ModelMetrics
from tests.promtool import Promtool

RAYS_OWN_LINT = "label names should be written in 'snake_case' not 'camelCase'"
"""Of NodeAddress, SessionName and WorkerId, which Ray adds."""


class Recorder:
    """Stands for both kinds of replica."""

    def __init__(self) -> None:
        self.ingress, self.model = IngressMetrics(), ModelMetrics()

    def record(self) -> str:
        """Record, and name the process as Ray labels what it exports."""
        self.ingress.in_flight.set(3)
        self.ingress.answered("/v1/inpaint", code=200, seconds=0.3)
        self.ingress.answered("/v1/inpaint", code=503, seconds=0.001)
        self.ingress.rejected("overloaded")
        self.ingress.retried()
        self.model.waiting.set(2)
        self.model.waited(0.07)
        self.model.filled(passes=11, seconds=4.0)
        for images in (1, 4):
            self.model.passed(images)
        import ray

        return ray.get_runtime_context().get_worker_id()


def exported(port: int, worker: str) -> str:
    """One process's part of what a node shows to Prometheus: others of this session record, too."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines(keepends=True)
    ours = re.compile(rf'# \w+ ray_isnet_|ray_isnet_.*WorkerId="{worker}"')
    return "".join(line for line in lines if ours.match(line))


def value(text: str, series: str, *labels: str) -> float:
    (line,) = (
        line
        for line in text.splitlines()
        if line.startswith(series + "{") and all(label in line for label in labels)
    )
    return float(line.rpartition(" ")[2])


@pytest.fixture(scope="module")
def text(ray_session: None) -> str:
    """What a node shows once all is there; Ray's processes report every ten seconds."""
    import ray

    recorder = ray.remote(num_cpus=0)(Recorder).remote()
    worker = ray.get(recorder.record.remote())
    port = ray.nodes()[0]["MetricsExportPort"]
    names = {series for metric in METRICS for series in metric.exported}
    for _ in range(120):
        time.sleep(0.5)
        if all(f"{name}{{" in (found := exported(port, worker)) for name in names):
            return found
    raise AssertionError(f"{names} are not all in {found}")


@pytest.mark.ray
@pytest.mark.slow
def test_names_and_values_are_exported(text: str) -> None:
    assert value(text, "ray_isnet_requests_total", 'code="200"', 'route="/v1/inpaint"') == 1
    assert value(text, "ray_isnet_rejected_total", 'reason="overloaded"') == 1
    assert value(text, "ray_isnet_in_flight") == 3
    assert value(text, "ray_isnet_request_seconds_bucket", 'le="0.5"') == 2


@pytest.mark.ray
@pytest.mark.slow
def test_means_of_whole_numbers_are_exact(text: str) -> None:
    assert value(text, "ray_isnet_batch_size_sum") == 1 + 4
    assert value(text, "ray_isnet_passes_sum") == 11


@pytest.mark.ray
@pytest.mark.slow
def test_prometheus_reads_it(text: str, promtool: Promtool) -> None:
    said = promtool("check", "metrics", text=text, lint=True)
    assert [line for line in said.splitlines() if not line.endswith(RAYS_OWN_LINT)] == []
