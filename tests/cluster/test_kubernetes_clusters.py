"""Ray clusters: what Ray's own autoscaler reads in them, and that they start as everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
import ray
import yaml
from ray._private.ray_constants import DEFAULT_OBJECT_STORE_MEMORY_PROPORTION
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.kuberay.utils import parse_quantity
from ray.autoscaler.v2.instance_manager.config import NodeTypeConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil

from tests.cluster.kustomize import JOBS, OVERLAYS, ROOT, everything, find, render
from tests.cluster.pods import pods_of

GIB = 2**30
SMALL_MACHINE = {"cpu": 4, "memory": 24 * GIB}
"""What overlays/small says that it needs."""


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return request.param


def clusters(overlay: str) -> dict[str, Mapping[str, Any]]:
    """The specifications of both Ray clusters."""
    objects = render(overlay)
    return {
        "jobs": find(objects, "RayCluster")["spec"],
        "endpoint": find(objects, "RayService")["spec"]["rayClusterConfig"],
    }


def node_types(overlay: str, cluster: str) -> Mapping[str, Mapping[str, Any]]:
    """What the autoscaler inside a cluster takes its groups for."""
    spec = {"spec": clusters(overlay)[cluster], "metadata": {"name": cluster, "namespace": "isnet"}}
    return _derive_autoscaling_config_from_ray_cr(spec)["available_node_types"]


def test_both_ask_for_the_token_and_keep_their_state_in_redis(overlay: str):
    for spec in clusters(overlay).values():
        assert spec["authOptions"]["mode"] == "token"
        redis = spec["gcsFaultToleranceOptions"]
        port = find(render(overlay), "Service", "redis")["spec"]["ports"][0]["port"]
        assert redis["redisAddress"] == f"redis:{port}"
        assert "value" not in redis["redisPassword"]
        assert "externalStorageNamespace" not in redis  # each cluster its own, also in an upgrade
        assert spec["rayVersion"] == ray.__version__


def test_heads_start_as_everywhere_but_for_the_dashboard_that_the_operator_reaches(overlay: str):
    script = (ROOT / "cluster" / "start" / "head.sh").read_text()
    options = dict(re.findall(r"--([\w-]+) ([\w.]+)", script))
    here = {"num-cpus": "0", "num-gpus": "0", "dashboard-host": "0.0.0.0"}
    by_default = {"port": "6379", "dashboard-port": "8265", "metrics-export-port": "8080"}
    assert {**options, **here} == {**by_default, **here}
    for spec in clusters(overlay).values():
        assert spec["headGroupSpec"]["rayStartParams"] == here


def test_groups_with_gpus_are_empty_until_a_job_asks():
    types = node_types("overlays/gpu", "jobs")
    assert {name for name, kind in types.items() if kind["resources"].get("GPU")} == {
        "gpu",
        "gpu-spot",
    }
    assert {types[name]["min_workers"] for name in ("gpu", "gpu-spot")} == {0}
    assert types["cpu"]["min_workers"] == 1
    assert "gpu" not in node_types("overlays/small", "jobs")


def begun_for(kinds: Mapping[str, Mapping[str, Any]], **wanted: float) -> str:
    """The group that Ray's autoscaler adds a worker of for a process, where there is none yet."""
    configs = {
        name: NodeTypeConfig(
            name=name,
            resources=kind["resources"],
            min_worker_nodes=0,
            max_worker_nodes=kind["max_workers"],
            priority=kind.get("priority", 0),
        )
        for name, kind in kinds.items()
    }
    asked_for = ResourceRequestUtil.group_by_count([ResourceRequestUtil.make(wanted)])
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=configs,
        max_num_nodes=1,
        resource_requests=asked_for,
    )
    (launch,) = ResourceDemandScheduler().schedule(request).to_launch
    return launch.instance_type


def test_training_gets_a_spot_machine_and_what_others_wait_for_does_not():
    kinds = node_types("overlays/gpu", "jobs")
    assert begun_for(kinds, GPU=1, CPU=0.5) == "gpu-spot"
    assert kinds["gpu-spot"]["priority"] > kinds["gpu"].get("priority", 0)
    assert begun_for(kinds, **asked("jobs/evaluate")) == "gpu"


def test_the_head_takes_no_tasks(overlay: str):
    for cluster in ("jobs", "endpoint"):
        kinds = node_types(overlay, cluster)
        assert kinds["headgroup"]["resources"]["CPU"] == 0


def asked(job: str) -> dict[str, float]:
    """Resources that a job's own process asks for."""
    (item,) = render(job)
    more = json.loads(item["spec"].get("entrypointResources", "{}"))
    return {"CPU": item["spec"]["entrypointNumCpus"], **more}


@pytest.mark.parametrize("job", JOBS)
def test_some_group_has_what_a_jobs_own_process_asks_for(job: str, overlay: str):
    groups = node_types(overlay, "jobs")
    places = {
        name: kind["resources"]
        for name, kind in groups.items()
        if all(kind["resources"].get(what, 0) >= amount for what, amount in asked(job).items())
    }
    assert places
    if "compute" in asked(job) and overlay == "overlays/gpu":
        assert all(resources["GPU"] for resources in places.values())


def test_the_endpoint_has_room_for_its_replicas(overlay: str):
    group = node_types(overlay, "endpoint")["endpoint"]
    serve = yaml.safe_load(find(render(overlay), "RayService")["spec"]["serveConfigV2"])
    number = serve["applications"][0]["args"]
    cpus = number["model_replicas"] * number["model_cpus"] + number["ingress_replicas"]
    assert group["min_workers"] * group["resources"]["CPU"] >= cpus
    gpus = number["max_model_replicas"] * number["model_gpus"]
    assert group["max_workers"] * group["resources"].get("GPU", 0) >= gpus


def test_shared_memory_holds_what_ray_takes_for_its_objects(overlay: str):
    nodes = [pod for pod in pods_of(everything(overlay)) if "ray.io/is-ray-node" in pod.labels]
    assert nodes
    for pod in nodes:
        (size,) = (
            parse_quantity(volume["emptyDir"]["sizeLimit"])
            for volume in pod.spec["volumes"]
            if volume.get("emptyDir", {}).get("medium") == "Memory"
        )
        memory = parse_quantity(pod.spec["containers"][0]["resources"]["limits"]["memory"])
        assert float(size) >= DEFAULT_OBJECT_STORE_MEMORY_PROPORTION * float(memory), pod.name


def requested(objects: Sequence[Any], what: str) -> Decimal | int:
    """What the pods that are always there ask for, all together."""
    running = [pod for pod in pods_of(objects) if "redis-cleanup" not in pod.name]
    return sum(
        parse_quantity(container["resources"]["requests"][what])
        for pod in running
        for container in pod.spec["containers"]
    )


@pytest.mark.parametrize("what", ["cpu", "memory"])
def test_the_small_one_fits_the_machine_that_it_says(what: str):
    job = render("jobs/train")
    assert requested([*render("overlays/small"), *job], what) <= SMALL_MACHINE[what]


def test_every_container_says_what_it_needs_and_may_take(overlay: str):
    for pod in pods_of(everything(overlay)):
        for container in pod.spec["containers"]:
            limits, requests = (container["resources"][key] for key in ("limits", "requests"))
            assert {"cpu", "memory"} <= limits.keys() & requests.keys(), pod.name
            assert limits["memory"] == requests["memory"], pod.name
