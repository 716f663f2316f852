"""The pods that rendered objects lead to, with what KubeRay adds to those of Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.cluster.kustomize import Object, title

AUTOSCALER, WAITING = "autoscaler", "wait-gcs-ready"
"""Containers that KubeRay adds to heads and to workers."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One kind of pod: who runs it, what it is labelled, what it is made of."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    def containers(self) -> list[Mapping[str, Any]]:
        """All containers, those included that run before the others."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def manifest(self) -> dict[str, Any]:
        """The pod as Kubernetes would be asked for it."""
        metadata = {"name": "any", "namespace": self.namespace, "labels": dict(self.labels)}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self.spec}


def pods_of(objects: Sequence[Object]) -> list[Pod]:
    """All kinds of pods that the objects lead to."""
    return [pod for item in objects for pod in _pods(item)]


def _pods(item: Object) -> Iterator[Pod]:
    match item["kind"]:
        case "Deployment" | "StatefulSet":
            claims = item["spec"].get("volumeClaimTemplates", [])
            yield _pod(item, title(item), item["spec"]["template"], volumes=_claimed(claims))
        case "RayCluster":
            yield from _of_cluster(item, item["spec"], {})
        case "RayService":
            serve = {"ray.io/serve": "true"}
            yield from _of_cluster(item, item["spec"]["rayClusterConfig"], serve)
        case "RayJob":
            yield _pod(item, f"{title(item)} submitter", item["spec"]["submitterPodTemplate"])


def _claimed(claims: Sequence[Object]) -> list[dict[str, Any]]:
    """The volumes that a StatefulSet gives to its pods."""
    names = [claim["metadata"]["name"] for claim in claims]
    return [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]


def _of_cluster(item: Object, spec: Object, extra: Mapping[str, str]) -> Iterator[Pod]:
    """A head, the head's likeness that clears Redis when the cluster has gone, and workers."""
    head = deepcopy(spec["headGroupSpec"]["template"])
    cleaner = deepcopy(head)
    head["spec"]["containers"].append(_autoscaler(spec["autoscalerOptions"], head))
    yield _pod(item, f"{title(item)} head", head, labels=_labels(item, "head", extra))
    cleaning = _labels(item, "redis-cleanup", extra)
    yield _pod(item, f"{title(item)} redis-cleanup", cleaner, labels=cleaning)
    for group in spec["workerGroupSpecs"]:
        worker = deepcopy(group["template"])
        (main, *_) = worker["spec"]["containers"]
        kept = ("image", "securityContext", "env", "volumeMounts")
        waiting = {"name": WAITING, **{key: main[key] for key in kept}}
        worker["spec"].setdefault("initContainers", []).append(waiting)
        labels = _labels(item, "worker", extra)
        yield _pod(item, f"{title(item)} {group['groupName']}", worker, labels=labels)


def _autoscaler(options: Object, head: Object) -> dict[str, Any]:
    taken = ("env", "resources", "securityContext", "volumeMounts")
    image = options.get("image", head["spec"]["containers"][0]["image"])
    return {"name": AUTOSCALER, "image": image, **{key: options[key] for key in taken}}


def _labels(item: Object, node: str, extra: Mapping[str, str]) -> dict[str, str]:
    """KubeRay's own labels; a template's, where they have the same name, win."""
    return {
        "app.kubernetes.io/created-by": "kuberay-operator",
        "ray.io/is-ray-node": "yes",
        "ray.io/cluster": item["metadata"]["name"],
        "ray.io/node-type": node,
        **extra,
    }


def _pod(
    item: Object,
    name: str,
    template: Object,
    *,
    labels: Mapping[str, str] | None = None,
    volumes: Sequence[Mapping[str, Any]] = (),
) -> Pod:
    spec = deepcopy(dict(template["spec"]))
    spec["volumes"] = [*spec.get("volumes", []), *volumes]
    return Pod(
        name=name,
        namespace=item["metadata"].get("namespace", "default"),
        labels={**(labels or {}), **template["metadata"]["labels"]},
        spec=spec,
    )
