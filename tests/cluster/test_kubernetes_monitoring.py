"""Prometheus and Grafana on Kubernetes have all the files that there are for them."""

from __future__ import annotations

import pytest
import yaml

from tests.cluster.kustomize import ROOT, find, render
from tests.cluster.pods import pods_of

FILES = {"prometheus": ["kubernetes.yaml", "*-alerts.yaml"], "grafana": ["*.json"]}
"""What belongs into the ConfigMaps, by folder of cluster/."""


@pytest.mark.parametrize("folder", FILES)
def test_every_file_is_listed(folder: str):
    """Kustomize knows no patterns: whoever adds a file has to add it here, too."""
    there = [
        path.name for pattern in FILES[folder] for path in (ROOT / "cluster" / folder).glob(pattern)
    ]
    written = yaml.safe_load((ROOT / "cluster" / folder / "kustomization.yaml").read_text())
    listed = [name for item in written["configMapGenerator"][:1] for name in item["files"]]
    assert set(there) <= set(listed)


def test_prometheus_starts_with_the_file_for_kubernetes():
    objects = render("monitoring")
    (pod,) = (pod for pod in pods_of(objects) if pod.name == "StatefulSet/prometheus")
    (main,) = pod.spec["containers"]
    (option,) = (word for word in main["args"] if word.startswith("--config.file="))
    mounts = {mount["mountPath"]: mount["name"] for mount in main["volumeMounts"]}
    folder, _, name = option.removeprefix("--config.file=").rpartition("/")
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    given = volumes[mounts[folder]]["configMap"]["name"]
    assert name in find(objects, "ConfigMap", given)["data"]


def test_grafana_asks_the_prometheus_that_is_there():
    objects = render("monitoring")
    (pod,) = (pod for pod in pods_of(objects) if pod.name == "Deployment/grafana")
    variables = {given["name"]: given.get("value") for given in pod.spec["containers"][0]["env"]}
    (port,) = find(objects, "Service", "prometheus")["spec"]["ports"]
    assert variables["PROMETHEUS_URL"] == f"http://prometheus:{port['port']}"
