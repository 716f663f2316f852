"""The endpoint: deployed as everywhere, but for what a cluster of Kubernetes needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from pipelines.serving.config import ServeConfig, is_loopback
from tests.cluster.kustomize import OVERLAYS, ROOT, find, render
from tests.cluster.pods import Pod, pods_of
from tests.cluster.secrets import make_secrets

HERE = {
    "http_options.host": "0.0.0.0",
    "applications.0.args.tokens_file": "/etc/isnet/tokens/token",
}
DIFFERENT = {
    "overlays/small": HERE,
    "overlays/gpu": {**HERE, "applications.0.args.model_gpus": 1},
}
"""What is another than in cluster/serve.yaml, and nothing else."""


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return request.param


def service(overlay: str) -> dict[str, Any]:
    return dict(find(render(overlay), "RayService")["spec"])


def deployed(overlay: str) -> dict[str, Any]:
    return yaml.safe_load(service(overlay)["serveConfigV2"])


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """All settings by their place."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = dict(enumerate(value)).items()
    else:
        return {path.removesuffix("."): value}
    return {
        key: leaf for name, inner in items for key, leaf in flat(inner, f"{path}{name}.").items()
    }


def endpoint_pods(overlay: str) -> list[Pod]:
    return [pod for pod in pods_of(render(overlay)) if pod.name.startswith("RayService/")]


def worker(overlay: str) -> Pod:
    (pod,) = (pod for pod in endpoint_pods(overlay) if pod.name.endswith(" endpoint"))
    return pod


def test_it_is_deployed_as_everywhere_but_for_what_must_differ(overlay: str):
    everywhere = flat(yaml.safe_load((ROOT / "cluster" / "serve.yaml").read_text()))
    here = flat(deployed(overlay))
    assert here.keys() >= everywhere.keys()
    differing = {key: here[key] for key in here if here[key] != everywhere.get(key)}
    assert differing == DIFFERENT[overlay]


def test_serve_and_the_endpoint_take_it(overlay: str):
    schema = ServeDeploySchema.model_validate(deployed(overlay))
    (application,) = schema.applications
    ServeConfig(**application.args)
    assert not is_loopback(schema.http_options.host)
    assert schema.http_options.port == 8000


def test_its_workers_have_the_token_without_which_it_would_not_start(overlay: str, tmp_path: Path):
    (application,) = deployed(overlay)["applications"]
    folder, _, name = application["args"]["tokens_file"].rpartition("/")
    (main,) = worker(overlay).spec["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in main["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in worker(overlay).spec["volumes"]}
    secret = volumes[mounts[folder]]["secret"]["secretName"]
    assert name in make_secrets(tmp_path)[secret]


def test_workers_take_requests_once_serves_proxy_does(overlay: str):
    (main,) = worker(overlay).spec["containers"]
    probe = main["readinessProbe"]["httpGet"]
    names = {port["name"]: port["containerPort"] for port in main["ports"]}
    assert names[probe["port"]] == deployed(overlay)["http_options"]["port"]
    assert service(overlay)["excludeHeadPodFromServeSvc"] is True


def test_an_upgrade_and_a_lost_machine_leave_requests_the_time_that_they_may_take(overlay: str):
    longest = deployed(overlay)["http_options"]["request_timeout_s"]
    spec = worker(overlay).spec
    _, seconds = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert longest <= int(seconds) < spec["terminationGracePeriodSeconds"]
    assert service(overlay)["upgradeStrategy"] == {"type": "NewCluster"}
    assert service(overlay)["rayClusterDeletionDelaySeconds"] >= longest


def test_its_port_is_named_where_kuberay_looks_for_it(overlay: str):
    (head,) = (pod for pod in endpoint_pods(overlay) if pod.name.endswith(" head"))
    names = {port["name"]: port["containerPort"] for port in head.spec["containers"][0]["ports"]}
    assert names["serve"] == deployed(overlay)["http_options"]["port"]
