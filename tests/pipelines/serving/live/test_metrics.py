"""What Prometheus sees of an endpoint."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.serving.metrics import METRICS, RETRIES
from tests.pipelines.serving.endpoint_process import EndpointProcess
from tests.pipelines.serving.traffic import sample

pytestmark = [pytest.mark.slow, pytest.mark.ray]

PROMTOOL = shutil.which("promtool")
REQUESTS = 5
REPORTED_WITHIN = 60
"""Seconds; replicas report every ten."""


@pytest.fixture(scope="module")
def exported(endpoint: EndpointProcess) -> str:
    """Metrics of Ray's agent after some requests, one of them refused."""
    picture = sample(40, 56, passes=3, threshold=0)
    with httpx.Client(base_url=endpoint.url) as http:
        before = http.get("/v1/model").json()
        assert before["error"] is None
        for _ in range(REQUESTS):
            assert http.request(**picture.request()).status_code == 200
        assert http.post("/v1/inpaint", content=b"").status_code == 415
    (url,) = re.findall(r"^metrics for Prometheus at (\S+)$", endpoint.output, re.MULTILINE)
    until = time.monotonic() + REPORTED_WITHIN
    text = ""
    while not _complete(text):
        assert time.monotonic() < until, text[-2000:]
        time.sleep(1)
        text = httpx.get(url).text
    return text


def _complete(text: str) -> bool:
    """Whether every replica has reported, and gauges of replicas that were killed are gone."""
    counted = ("isnet_requests_total", "isnet_request_seconds_count")
    return (
        all(_total(text, name, route="/v1/inpaint") > REQUESTS for name in counted)
        and _total(text, "isnet_rejected_total") >= 1
        and _total(text, "isnet_passes_count") >= REQUESTS
        and "ray_isnet_waiting{" in text
        and _total(text, "isnet_in_flight") + _total(text, "isnet_waiting") == 0
    )


def _series(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for series in family.samples:
            yield series.name, series.labels, series.value


def _total(text: str, name: str, **labels: str) -> float:
    """Add up a series over all replicas."""
    return sum(
        value
        for found, given, value in _series(text)
        if found == f"ray_{name}" and labels.items() <= given.items()
    )


def test_every_metric_is_exported_with_the_names_of_its_replica(exported: str):
    found: dict[str, list[dict[str, str]]] = {}
    for name, labels, _ in _series(exported):
        found.setdefault(name, []).append(labels)
    for metric in METRICS:
        if metric is RETRIES:
            continue  # a counter does not exist before it counts
        for name in metric.exported:
            assert name in found
            for labels in found[name]:
                assert labels["application"] == "isnet"
                assert labels["deployment"] in ("Ingress", "Model")
                assert labels["replica"]
                assert set(metric.tags) <= labels.keys()


def test_values_are_those_of_the_requests(exported: str):
    route = {"route": "/v1/inpaint"}
    assert _total(exported, "isnet_requests_total", code="200", **route) >= REQUESTS
    assert _total(exported, "isnet_requests_total", code="415", **route) >= 1
    assert _total(exported, "isnet_rejected_total", reason="unsupported_media_type") >= 1
    assert _total(exported, "isnet_request_seconds_count", **route) >= REQUESTS + 1
    regions = _total(exported, "isnet_passes_count")
    assert regions >= REQUESTS
    assert regions <= _total(exported, "isnet_passes_sum") <= 11 * regions
    for name in ("queue", "model"):
        assert _total(exported, f"isnet_{name}_seconds_count") == regions
    images = _total(exported, "isnet_batch_size_sum")
    assert images >= _total(exported, "isnet_passes_sum")
    assert _total(exported, "isnet_batch_size_count") <= images
    assert _total(exported, "isnet_in_flight") == 0
    assert _total(exported, "isnet_waiting") == 0


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool on the PATH")
def test_promtool_takes_them(exported: str):
    ours = [line for line in exported.splitlines() if "ray_isnet_" in line]
    assert ours
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input="\n".join([*ours, ""]),
        capture_output=True,
        text=True,
        check=False,
    )
    # 3 is its word for style: the labels that Ray adds to every metric are not in snake case.
    assert checked.returncode in (0, 3), checked.stderr
    for line in (checked.stdout + checked.stderr).splitlines():
        assert line.endswith("label names should be written in 'snake_case' not 'camelCase'")
