"""Pods are what the namespace's security standard lets in, and find everything that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tests.cluster.dockerfile import IMAGE
from tests.cluster.kustomize import (
    KUBERNETES,
    OVERLAYS,
    everything,
    find,
    render,
    title,
)
from tests.cluster.pods import AUTOSCALER, pods_of
from tests.cluster.references import references, references_of_clusters
from tests.cluster.restricted import violations
from tests.cluster.secrets import KEYS, make_secrets

OF_EVERY_NAMESPACE = {"ConfigMap/kube-root-ca.crt"}
Secrets = Mapping[str, Mapping[str, str]]

FOREIGN = {
    "Deployment/grafana",
    "StatefulSet/postgres",
    "StatefulSet/prometheus",
    "StatefulSet/redis",
}
"""What runs in images of others."""

STANDARD = "pod-security.kubernetes.io/enforce"


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, str]]:
    return make_secrets(tmp_path_factory.mktemp("kubectl"), **KEYS)


def test_the_namespace_asks_for_the_restricted_standard(overlay: str):
    assert find(render(overlay), "Namespace")["metadata"]["labels"][STANDARD] == "restricted"


def test_every_pod_is_restricted(overlay: str):
    found = {pod.name: violations(pod) for pod in pods_of(everything(overlay))}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    "spoilt",
    [
        {"allowPrivilegeEscalation": True},
        {"capabilities": {"add": ["NET_RAW"], "drop": ["ALL"]}},
        {"privileged": True},
        {"runAsNonRoot": False},
        {"runAsUser": 0},
        {"seccompProfile": {"type": "Unconfined"}},
    ],
    ids=lambda spoilt: next(iter(spoilt)),
)
def test_a_pod_that_is_not_restricted_is_noticed(spoilt: dict[str, Any]):
    pod = pods_of(render("base"))[0]
    spec = deepcopy(dict(pod.spec))
    spec["containers"][0]["securityContext"].update(spoilt)
    assert violations(replace(pod, spec=spec))


def test_a_volume_of_the_machine_is_noticed():
    pod = pods_of(render("base"))[0]
    spec = {**pod.spec, "volumes": [{"name": "x", "hostPath": {"path": "/"}}]}
    assert violations(replace(pod, spec=spec))


def test_no_container_can_change_its_file_system_but_for_volumes(overlay: str):
    for pod in pods_of(everything(overlay)):
        for container in pod.containers():
            assert container["securityContext"]["readOnlyRootFilesystem"], pod.name


def test_a_token_for_kubernetes_is_given_to_autoscalers_and_prometheus_alone(overlay: str):
    for pod in pods_of(everything(overlay)):
        assert pod.spec["automountServiceAccountToken"] is False, pod.name
        tokens = {
            volume["name"]
            for volume in pod.spec["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
            if "serviceAccountToken" in source
        }
        holders = {
            (pod.name, container["name"])
            for container in pod.containers()
            for mount in container["volumeMounts"]
            if mount["name"] in tokens
        }
        allowed = {(pod.name, AUTOSCALER), ("StatefulSet/prometheus", "main")}
        assert holders <= allowed, pod.name


def test_every_container_of_the_image_has_the_one_that_the_dockerfile_builds(overlay: str):
    images = {
        pod.name: {container["image"] for container in pod.containers()}
        for pod in pods_of(everything(overlay))
    }
    assert {pod for pod, found in images.items() if found != {IMAGE}} <= FOREIGN
    for pod in FOREIGN & images.keys():
        (image,) = images[pod]
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+[\w.-]*", image), image


def test_the_image_is_named_in_one_place():
    name, _, _ = IMAGE.rpartition(":")
    files = [path for path in KUBERNETES.rglob("*.yaml") if name in path.read_text()]
    assert files == [KUBERNETES / "pods" / "kustomization.yaml"]


def test_everything_that_a_pod_names_exists(overlay: str, secrets: Secrets):
    objects = everything(overlay)
    there = {title(item) for item in objects} | OF_EVERY_NAMESPACE
    there |= {f"Secret/{name}" for name in secrets}
    for pod in pods_of(objects):
        assert {reference.name for reference in references(pod)} <= there, pod.name


def test_every_key_that_a_pod_asks_for_is_there(overlay: str, secrets: Secrets):
    objects = everything(overlay)
    settings = find(objects, "ConfigMap", "settings")["data"]
    keys = {"ConfigMap/settings": settings} | {f"Secret/{name}": secrets[name] for name in secrets}
    asked = {reference for pod in pods_of(objects) for reference in references(pod)}
    asked |= references_of_clusters(objects)
    for name, key in asked:
        assert key is None or key in keys[name], (name, key)
    unused = {f"Secret/{name}" for name in secrets} - {name for name, _ in asked}
    assert not unused
