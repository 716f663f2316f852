"""Who may reach whom, as a table; and Services, which must lead to pods that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.cluster.kustomize import OVERLAYS, Object, everything, render, title
from tests.cluster.pods import Pod, pods_of
from tests.cluster.reachability import End, reaches, selects

Callers = Callable[..., set[str]]

OUTSIDE = {
    "operator": End(
        namespace="ray-system", labels={"app.kubernetes.io/component": "kuberay-operator"}
    ),
    "ingress controller": End(
        namespace="ingress-nginx", labels={"app.kubernetes.io/component": "controller"}
    ),
    "client": End(namespace="isnet", labels={"isnet/client": "true"}),
    "prometheus": End(namespace="isnet", labels={"app.kubernetes.io/component": "prometheus"}),
    "stranger": End(namespace="isnet", labels={}),
    "client of another namespace": End(namespace="default", labels={"isnet/client": "true"}),
    "operator of another namespace": End(
        namespace="default", labels={"app.kubernetes.io/component": "kuberay-operator"}
    ),
    "head of another namespace": End(
        namespace="default",
        labels={"app.kubernetes.io/component": "head", "app.kubernetes.io/instance": "jobs"},
    ),
}
"""Pods that are none of ours, by what they are."""

JOBS = {"RayCluster/jobs head", "RayCluster/jobs cpu", "RayCluster/jobs redis-cleanup"}
ENDPOINT = {
    "RayService/endpoint head",
    "RayService/endpoint endpoint",
    "RayService/endpoint redis-cleanup",
}
SUBMITTERS = {f"RayJob/{name} submitter" for name in ("evaluate", "inpaint", "train", "tune")}
PROMETHEUS = {"prometheus", "StatefulSet/prometheus"}
CLEANERS = {"RayCluster/jobs redis-cleanup", "RayService/endpoint redis-cleanup"}
HEADS = {name for name in JOBS | ENDPOINT if "head" in name or "cleanup" in name}

STORES = {"StatefulSet/postgres", "StatefulSet/redis"}
RAY = JOBS | ENDPOINT

RESOLVERS = [
    End(namespace="kube-system", labels={"k8s-app": "kube-dns"}),
    End(address="169.254.20.10"),
]
METADATA = ["169.254.169.254", "fd00:ec2::254"]
"""Where a cloud's machines answer who they are, with keys that are theirs."""

KUBERNETES = ["10.96.0.1", "172.18.0.2", "192.168.49.2", "100.64.0.9", "fd00::1"]
"""Addresses at which clusters have their API server."""

INSIDE_RAY = (6379, 10001, 52365, 22)
"""Ports of Ray's for nothing but its own nodes, and one that nobody listens on."""

MONITORED: Mapping[str, Mapping[int, set[str]]] = {
    "StatefulSet/prometheus": {9090: {"Deployment/grafana"}, 22: set()},
    "Deployment/grafana": {3000: set(), 22: set()},
}

TABLE: Mapping[str, Mapping[int, set[str]]] = {
    "RayCluster/jobs head": {
        **dict.fromkeys(INSIDE_RAY, JOBS),
        8265: JOBS | SUBMITTERS | {"operator"},
        8000: JOBS | {"operator"},
        8080: JOBS | PROMETHEUS,
    },
    "RayCluster/jobs cpu": {
        **dict.fromkeys((*INSIDE_RAY, 8265, 8000), JOBS),
        8080: JOBS | PROMETHEUS,
    },
    "RayService/endpoint head": {
        **dict.fromkeys(INSIDE_RAY, ENDPOINT),
        8265: ENDPOINT | {"operator"},
        8000: ENDPOINT | {"operator"},
        8080: ENDPOINT | PROMETHEUS,
    },
    "RayService/endpoint endpoint": {
        **dict.fromkeys((*INSIDE_RAY, 8265), ENDPOINT),
        8000: ENDPOINT | {"client", "ingress controller"},
        8080: ENDPOINT | PROMETHEUS,
    },
    "Deployment/mlflow": {5000: JOBS | ENDPOINT, 22: set(), 8080: set()},
    "StatefulSet/postgres": {5432: {"Deployment/mlflow"}, 22: set()},
    "StatefulSet/redis": {6379: HEADS, 22: set()},
    **{name: {22: set(), 8080: set(), 8265: set()} for name in SUBMITTERS},
    **MONITORED,
}
"""Of every pod: who may reach a port. A row that is missing here fails the test."""


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return list(everything(request.param))


def end(pod: Pod) -> End:
    ports = [port for container in pod.containers() for port in container.get("ports", [])]
    numbers = {port["name"]: port["containerPort"] for port in ports}
    return End(labels=pod.labels, namespace=pod.namespace, ports=numbers)


def policies_of(objects: list[Object]) -> list[Object]:
    return [item for item in objects if item["kind"] == "NetworkPolicy"]


def test_nobody_reaches_a_pod_but_those_of_the_table():
    """On CPUs: workers with GPUs are labelled like those without (below)."""
    objects = list(everything("base"))
    pods = {pod.name: end(pod) for pod in pods_of(objects)}
    policies = policies_of(objects)
    assert pods.keys() - CLEANERS == TABLE.keys()
    for name, row in TABLE.items():
        for port, allowed in row.items():
            found = {
                other
                for other, source in {**pods, **OUTSIDE}.items()
                if reaches(policies, source, pods[name], port)
            }
            assert found == allowed, f"{name}, port {port}"


def test_workers_of_all_kinds_are_labelled_alike():
    """The policies above hold for groups with GPUs, too."""
    pods = {pod.name: pod for pod in pods_of(render("overlays/gpu"))}
    groups = [f"RayCluster/jobs {name}" for name in ("cpu", "gpu", "gpu-spot")]
    assert pods[groups[0]].labels == pods[groups[1]].labels == pods[groups[2]].labels


@pytest.fixture(scope="module")
def callers() -> Callers:
    """Who of our pods reaches an end outside, over a port."""
    objects = list(everything("base"))
    pods = {pod.name: end(pod) for pod in pods_of(objects)}
    policies = policies_of(objects)

    def ask(target: End, port: int, protocol: str = "TCP") -> set[str]:
        return {
            name for name, pod in pods.items() if reaches(policies, pod, target, port, protocol)
        }

    return ask


def test_the_stores_call_nobody(callers: Callers):
    assert not STORES & callers(End(namespace="default"), 443)
    assert not STORES & callers(End(address="52.216.0.1"), 443)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("resolver", RESOLVERS, ids=["pod", "machine"])
def test_all_others_find_names(callers: Callers, resolver: End, protocol: str):
    assert callers(resolver, 53, protocol) == TABLE.keys() - STORES | CLEANERS


@pytest.mark.parametrize("address", ["52.216.0.1", "2600:1fa0::1"])
def test_what_uses_the_bucket_calls_the_internet_by_tls_alone(callers: Callers, address: str):
    bucket = RAY | {"Deployment/mlflow"}
    assert callers(End(address=address), 443) == bucket | PROMETHEUS & TABLE.keys()
    assert not callers(End(address=address), 80)
    assert not callers(End(address=address), 22)


@pytest.mark.parametrize("address", METADATA)
def test_nobody_asks_a_machine_for_its_own_keys(callers: Callers, address: str):
    for port in (53, 80, 443, 988):
        assert not callers(End(address=address), port)


@pytest.mark.parametrize("address", KUBERNETES)
def test_autoscalers_and_prometheus_alone_call_kubernetes(callers: Callers, address: str):
    for port in (443, 6443):
        assert callers(End(address=address), port) == HEADS | PROMETHEUS & TABLE.keys()


def test_without_the_first_policy_strangers_would_get_in():
    objects = list(everything("base"))
    open_to_all = [item for item in policies_of(objects) if item["metadata"]["name"] != "nobody"]
    (submitter,) = (end(pod) for pod in pods_of(objects) if pod.name == "RayJob/train submitter")
    assert reaches(open_to_all, OUTSIDE["stranger"], submitter, 22)


def test_every_selector_takes_some_pod(objects: list[Object]):
    pods = pods_of(objects)
    foreign = [end.labels for end in (*OUTSIDE.values(), *RESOLVERS)]
    for item in objects:
        for selector in selectors(item):
            known = [pod.labels for pod in pods] + foreign
            assert any(selects(selector, labels) for labels in known), title(item)


def selectors(item: Object) -> list[Mapping[str, object]]:
    """Everything in an object that selects pods."""
    spec = item.get("spec", {})
    match item["kind"]:
        case "Service":
            return [{"matchLabels": spec["selector"]}]
        case "Deployment" | "StatefulSet" | "PodDisruptionBudget":
            return [spec["selector"]]
        case "NetworkPolicy":
            rules = [*spec.get("ingress", []), *spec.get("egress", [])]
            peers = [peer for rule in rules for peer in (rule.get("from") or rule.get("to") or [])]
            return [
                spec["podSelector"],
                *(peer["podSelector"] for peer in peers if "podSelector" in peer),
            ]
    return []


def test_services_lead_to_ports_that_their_pods_name(objects: list[Object]):
    pods = pods_of(objects)
    for item in objects:
        if item["kind"] != "Service":
            continue
        chosen = [
            pod for pod in pods if selects({"matchLabels": item["spec"]["selector"]}, pod.labels)
        ]
        assert len(chosen) == 1, title(item)
        names = end(chosen[0]).ports
        for port in item["spec"]["ports"]:
            assert names[port["targetPort"]] == port["port"], title(item)


def test_a_workload_selects_its_own_pods_alone(objects: list[Object]):
    pods = pods_of(objects)
    for item in objects:
        if item["kind"] in ("Deployment", "StatefulSet"):
            chosen = [pod.name for pod in pods if selects(item["spec"]["selector"], pod.labels)]
            assert chosen == [title(item)]
