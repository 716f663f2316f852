"""The files for `ray up`: what Ray and the clouds make of them, and what they leave closed."""

from __future__ import annotations

import copy
import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import googleapiclient
import jsonschema
import pytest
import yaml
from botocore.validate import ParamValidator
from ray._private import ray_constants
from ray.autoscaler._private.docker import docker_start_cmds
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.cluster.dockerfile import IMAGE, ROOT

FOLDER = ROOT / "cluster" / "launcher"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
CLOUDS = ("aws", "gcp")
PROVIDER_KEYS = {
    "aws": {"cache_stopped_nodes", "region", "security_group", "type"}
    | {"use_external_head_ip", "use_internal_ips"},
    "gcp": {"availability_zone", "project_id", "region", "type"}
    | {"use_external_head_ip", "use_internal_ips"},
    "on-premises": {"head_ip", "type", "worker_ips"},
}
"""What each provider reads; Ray's schema lets any other word pass."""


def written(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def node_configs(name: str) -> dict[str, dict[str, Any]]:
    types = written(name)["available_node_types"]
    return {kind: of_kind["node_config"] for kind, of_kind in types.items()}


def test_there_are_three():
    assert NAMES == ["aws", "gcp", "on-premises"]


@pytest.mark.parametrize("name", NAMES)
def test_ray_takes_it(name: str):
    prepared = prepare_config(written(name))
    validate_config(prepared)
    assert not prepared["setup_commands"] + prepared["head_setup_commands"]  # nothing is installed
    assert not prepared["worker_setup_commands"]


@pytest.mark.parametrize("name", NAMES)
def test_ray_would_have_refused_another_word(name: str):
    with pytest.raises(jsonschema.ValidationError, match="idle_minutes"):
        validate_config(prepare_config(written(name) | {"idle_minutes": 5}))


@pytest.mark.parametrize("name", NAMES)
def test_what_ray_would_let_pass_is_right_too(name: str):
    config = written(name)
    assert config["cluster_name"] == "isnet"
    assert config["provider"].keys() == PROVIDER_KEYS[name]


@pytest.mark.parametrize("kind", node_configs("aws"))
def test_ec2_takes_its_hosts(kind: str):
    config = node_configs("aws")[kind]
    assert config.pop("SubnetIds")  # Ray's word: it adds one of them, and how many hosts
    operation = botocore.session.get_session().get_service_model("ec2").operation_model
    shape = operation("RunInstances").input_shape
    assert config.keys() <= shape.members.keys()
    report = ParamValidator().validate(config | {"MinCount": 1, "MaxCount": 1}, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("kind", node_configs("gcp"))
def test_compute_engine_takes_its_hosts(kind: str):
    documents = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    schemas = json.loads((documents / "compute.v1.json").read_text())["schemas"]
    assert list(strange(node_configs("gcp")[kind], schemas["Instance"], schemas)) == []


def test_the_check_of_compute_engine_finds_mistakes():
    schemas = {
        "Instance": {"properties": {"tags": {"$ref": "Tags"}}},
        "Tags": {"properties": {"items": {"type": "array", "items": {"type": "string"}}}},
    }
    instance = schemas["Instance"]
    assert list(strange({"tags": {"items": ["a"]}}, instance, schemas)) == []
    assert list(strange({"tags": {"item": ["a"]}}, instance, schemas)) == ["tags.item"]
    assert list(strange({"tags": {"items": [1]}}, instance, schemas)) == ["tags.items"]
    assert list(strange({"tags": [{"items": ["a"]}]}, instance, schemas)) == ["tags"]


def strange(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str = ""):
    """Places of a value that a discovery document does not describe."""
    schema = schemas.get(schema.get("$ref"), schema)
    if "properties" in schema:
        if not isinstance(value, dict):
            yield at
            return
        for key, inner in value.items():
            place = f"{at}.{key}".lstrip(".")
            if key not in schema["properties"]:
                yield place
            else:
                yield from strange(inner, schema["properties"][key], schemas, place)
    elif schema.get("type") == "array":
        for inner in value if isinstance(value, list) else [None]:
            yield from strange(inner, schema["items"], schemas, at)
    elif not is_plain(value, schema):
        yield at


def is_plain(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is of its schema's plain type, and one of its words if it lists them."""
    if schema.get("format") in ("int64", "uint64"):  # strings in JSON, numbers to people
        return isinstance(value, int | str)
    kinds = {"string": str, "boolean": bool, "integer": int, "number": float}
    return isinstance(value, kinds[schema["type"]]) and value in schema.get("enum", [value])


def test_they_are_as_build_writes_them():
    checked = subprocess.run(
        [sys.executable, FOLDER / "build.py", "--check"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_change_by_hand_would_be_noticed(tmp_path: Path):
    copied = shutil.copytree(ROOT / "cluster", tmp_path / "cluster") / "launcher"
    with (copied / "gcp.yaml").open("a") as file:
        file.write("# by hand\n")
    build = [sys.executable, copied / "build.py"]
    checked = subprocess.run([*build, "--check"], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (1, "gcp.yaml: stale\n")
    subprocess.run(build, check=True)
    assert (copied / "gcp.yaml").read_text() == (FOLDER / "gcp.yaml").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_what_they_share_is_in_each(name: str):
    config = written(name)
    common = yaml.safe_load((FOLDER / "source" / "common.yaml").read_text())
    for key in ("docker", "file_mounts", "initialization_commands", "worker_start_ray_commands"):
        assert config[key] == common[key]
    assert config["docker"]["image"] == IMAGE


def test_heads_start_alike_but_for_the_autoscaler_that_forgets_local_ones():
    aws, gcp, local = (written(name)["head_start_ray_commands"] for name in NAMES)
    assert gcp == aws
    assert local == [aws[0], f"RAY_enable_autoscaler_v2=0 {aws[1]}"]


def docker_run(name: str) -> str:
    """The command that the launcher starts a host's container with."""
    config = prepare_config(written(name))
    docker = config["docker"]
    return docker_start_cmds(
        "ubuntu",
        docker["image"],
        config["file_mounts"],
        docker["container_name"],
        docker["run_options"],
        config["cluster_name"],
        "/root",  # the launcher's guess of our home: the image's environment names none
        "docker",
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_token_lands_where_ray_looks_for_it(name: str):
    command = docker_run(name)
    assert re.search(r" -v \S+/auth_token:/home/ray/\.ray/auth_token ", command)
    assert "--privileged" not in command
    assert "--user" not in command  # the image's own


@pytest.mark.parametrize("name", NAMES)
def test_the_host_sees_what_ray_writes(name: str, tmp_path: Path):
    (mounted,) = re.findall(r" --volume (\S+):/tmp/ray ", docker_run(name))
    (made,) = (line for line in written(name)["initialization_commands"] if mounted in line)
    here = made.replace(mounted, str(tmp_path / "ray"))
    subprocess.run(["bash", "-ec", here], check=True)
    assert stat.S_IMODE((tmp_path / "ray").stat().st_mode) == 0o755  # ours to write, all may read


@pytest.mark.parametrize("name", NAMES)
def test_the_hosts_prometheus_finds_rays_list(name: str):
    (mounted,) = re.findall(r" --volume (\S+):/tmp/ray ", docker_run(name))
    prometheus = yaml.safe_load((ROOT / "cluster/prometheus/prometheus.yaml").read_text())
    (found,) = prometheus["scrape_configs"][0]["file_sd_configs"][0]["files"]
    assert found == f"/tmp/ray/{ray_constants.PROMETHEUS_SERVICE_DISCOVERY_FILE}"
    operations = (ROOT / "docs" / "operations.md").read_text()
    assert f" --volume {mounted}:/tmp/ray:ro " in operations


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_no_secret(name: str):
    text = (FOLDER / f"{name}.yaml").read_text()
    assert not re.search("aws_credentials|gcp_credentials|AKIA|AUTH_TOKEN=|[Pp]assword", text)


@pytest.mark.parametrize("name", CLOUDS)
def test_the_head_takes_no_tasks_and_workers_come_when_needed(name: str):
    config = prepare_config(written(name))
    types = copy.deepcopy(config["available_node_types"])
    assert types.pop(config["head_node_type"])["resources"] == {"CPU": 0}
    assert types.keys() == {"cpu", "gpu", "gpu-spot"}
    assert {kind["min_workers"] for kind in types.values()} == {0}
    assert types["gpu-spot"]["resources"] == types["gpu"]["resources"]
    assert types["gpu-spot"]["priority"] > types["gpu"].get("priority", 0)


@pytest.mark.parametrize("name", CLOUDS)
def test_only_the_head_is_reached_from_outside(name: str):
    provider = written(name)["provider"]
    assert provider["use_internal_ips"]
    assert provider["use_external_head_ip"]


def test_workers_on_aws_have_no_public_address_keys_or_open_disks():
    hosts = node_configs("aws")
    public, *private = (host["SubnetIds"] for host in hosts.values())
    assert private == [private[0]] * 3
    assert set(private[0]).isdisjoint(public)
    for kind, host in hosts.items():
        assert host["MetadataOptions"]["HttpTokens"] == "required"
        assert all(disk["Ebs"]["Encrypted"] for disk in host["BlockDeviceMappings"])
        assert (
            host["IamInstanceProfile"]["Name"] == f"isnet-{'head' if kind == 'head' else 'worker'}"
        )
    assert [kind for kind in hosts if "InstanceMarketOptions" in hosts[kind]] == ["gpu-spot"]


def test_workers_on_google_cloud_have_no_public_address():
    hosts = node_configs("gcp")
    open_hosts = [
        kind
        for kind, host in hosts.items()
        if any("accessConfigs" in interface for interface in host["networkInterfaces"])
    ]
    assert open_hosts == ["head"]
    assert {tuple(host["tags"]["items"]) for host in hosts.values()} == {("isnet",)}
    spot = [k for k in hosts if hosts[k].get("scheduling", {}).get("provisioningModel") == "SPOT"]
    assert spot == ["gpu-spot"]


def test_the_dashboard_listens_to_its_own_host():
    script = (ROOT / "cluster" / "start" / "head.sh").read_text()
    assert re.findall(r"--dashboard-host (\S+)", script) == ["127.0.0.1"]
    commands = written("aws")["head_start_ray_commands"]
    assert not [command for command in commands if "--dashboard-host" in command]
