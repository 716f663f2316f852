"""The Pod Security Standard `restricted`, rule by rule, for pods of Linux."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.cluster.pods import Pod

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Kinds of volumes that the standard allows."""


def violations(pod: Pod) -> list[str]:
    """What the standard forbids about a pod, one line each."""
    found = [*_of_pod(pod.spec)]
    for container in pod.containers():
        found += [f"{container['name']}: {words}" for words in _of_container(container, pod.spec)]
    return found


def _of_pod(spec: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} is on" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))
    if spec.get("securityContext", {}).get("sysctls"):
        yield "sets kernel parameters"
    for volume in spec.get("volumes", []):
        kinds = volume.keys() - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']} is of {sorted(kinds)}"


def _of_container(container: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    inherited = {**spec.get("securityContext", {}), **own}
    if own.get("privileged"):
        yield "is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may escalate its privileges"
    if "ALL" not in own.get("capabilities", {}).get("drop", []):
        yield "keeps capabilities"
    if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if own.get("procMount", "Default") != "Default":
        yield "mounts another /proc"
    if inherited.get("runAsNonRoot") is not True:
        yield "may run as root"
    if inherited.get("runAsUser") == 0:
        yield "runs as root"
    if inherited.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "takes a port of the machine"
