"""What pods name, and cannot start without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tests.cluster.kustomize import Object, find
from tests.cluster.pods import Pod

KINDS = {
    "configMap": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "configMapRef": "ConfigMap",
    "secret": "Secret",
    "secretKeyRef": "Secret",
    "secretRef": "Secret",
}


class Reference(NamedTuple):
    """An object, as kubectl calls it, and the key in it, if one is asked for."""

    name: str
    key: str | None = None


def references(pod: Pod) -> Iterator[Reference]:
    """Objects that a pod reads."""
    yield Reference(f"ServiceAccount/{pod.spec['serviceAccountName']}")
    for container in pod.containers():
        for source in container.get("envFrom", []):
            yield from _of(source)
        for variable in container.get("env", []):
            yield from _of(variable.get("valueFrom", {}))
    for volume in pod.spec["volumes"]:
        yield from _of(volume)
        for source in volume.get("projected", {}).get("sources", []):
            yield from _of(source)


def references_of_clusters(objects: Sequence[Object]) -> set[Reference]:
    """What KubeRay reads for a Ray cluster. The key of the token is KubeRay's own choice."""
    specs = [
        find(objects, "RayCluster")["spec"],
        find(objects, "RayService")["spec"]["rayClusterConfig"],
    ]
    tokens = {
        Reference(f"Secret/{spec['authOptions']['secretName']}", "auth_token") for spec in specs
    }
    passwords = [spec["gcsFaultToleranceOptions"]["redisPassword"]["valueFrom"] for spec in specs]
    return tokens | {reference for source in passwords for reference in _of(source)}


def _of(source: Mapping[str, Any]) -> Iterator[Reference]:
    for field, given in source.items():
        if field in KINDS:
            name = given.get("name") or given["secretName"]
            yield Reference(f"{KINDS[field]}/{name}", given.get("key"))
