"""What the launcher needs of an account: made under the names it is looked for, and no more."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.cluster.dockerfile import ROOT

LAUNCHER = ROOT / "cluster" / "launcher"
TEMPLATE = LAUNCHER / "account" / "aws.yaml"
SCRIPT = LAUNCHER / "account" / "gcp.sh"
RESOURCES = yaml.safe_load(TEMPLATE.read_text())["Resources"]


def written(cloud: str) -> dict[str, Any]:
    return yaml.safe_load((LAUNCHER / f"{cloud}.yaml").read_text())


def of_the_head() -> list[dict[str, Any]]:
    """The statements of the head's policy, with their actions as lists."""
    (policy,) = RESOURCES["Head"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    as_list = [s["Action"] if isinstance(s["Action"], list) else [s["Action"]] for s in statements]
    return [s | {"Action": a} for s, a in zip(statements, as_list, strict=True)]


@pytest.mark.skipif(not shutil.which("cfn-lint"), reason="no cfn-lint on the PATH")
def test_cloudformation_takes_the_template():
    region = written("aws")["provider"]["region"]
    words = ["cfn-lint", "--regions", region, "--template", TEMPLATE]
    checked = subprocess.run(words, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_on_aws_it_has_the_names_that_the_launcher_looks_for():
    config = written("aws")
    group = RESOURCES["Firewall"]["Properties"]["GroupName"]
    assert config["provider"]["security_group"]["GroupName"] == group
    profiles = {
        RESOURCES[name]["Properties"]["InstanceProfileName"]: RESOURCES[name]["Properties"]["Roles"]
        for name in ("HeadProfile", "WorkerProfile")
    }
    assert profiles == {"isnet-head": [{"Ref": "Head"}], "isnet-worker": [{"Ref": "Worker"}]}
    hosts = [kind["node_config"] for kind in config["available_node_types"].values()]
    assert {host["IamInstanceProfile"]["Name"] for host in hosts} == profiles.keys()


def test_ssh_is_for_one_address_and_all_else_for_the_hosts():
    (ssh,) = RESOURCES["Firewall"]["Properties"]["SecurityGroupIngress"]
    assert (ssh["FromPort"], ssh["ToPort"], ssh["CidrIp"]) == (22, 22, {"Ref": "Address"})
    inside = RESOURCES["FirewallInside"]["Properties"]
    assert inside["SourceSecurityGroupId"] == inside["GroupId"] == {"Ref": "Firewall"}


def test_the_head_may_do_what_ray_does_and_no_more():
    actions = {action for statement in of_the_head() for action in statement["Action"]}
    assert actions == {
        "ec2:CreateTags",
        "ec2:Describe*",
        "ec2:RunInstances",
        "ec2:TerminateInstances",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
        "ssm:GetParameters",
    }
    anywhere = [s["Action"] for s in of_the_head() if s["Resource"] == "*"]
    assert anywhere == [["ec2:Describe*"]]


def test_the_head_starts_and_ends_hosts_of_this_cluster_alone():
    tag = {"ray-cluster-name": written("aws")["cluster_name"]}
    hosts = [s for s in of_the_head() if "instance/*" in str(s["Resource"])]
    started, tagged_at_their_start, known = (s["Condition"] for s in hosts)
    assert started["StringEquals"] == {f"aws:RequestTag/{key}": tag[key] for key in tag}
    assert started["ArnEquals"] == {"ec2:InstanceProfile": {"Fn::GetAtt": ["WorkerProfile", "Arn"]}}
    assert tagged_at_their_start == {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
    assert known == {"StringEquals": {f"aws:ResourceTag/{key}": tag[key] for key in tag}}
    assert {a for s in of_the_head() if s not in hosts for a in s["Action"]}.isdisjoint(
        {"ec2:CreateTags", "ec2:TerminateInstances"}
    )


def test_the_head_hands_on_the_workers_role_alone():
    (passing,) = (s for s in of_the_head() if "iam:PassRole" in s["Action"])
    assert passing["Resource"] == {"Fn::GetAtt": ["Worker", "Arn"]}
    assert "Policies" not in RESOURCES["Worker"]["Properties"]  # nothing but the bucket


def test_on_google_cloud_it_has_the_names_that_the_launcher_looks_for():
    config, script = written("gcp"), SCRIPT.read_text()
    assert re.findall(r"region=([a-z]\S+)", script) == [config["provider"]["region"]]
    assert set(re.findall(r"(?:target|source)-tags=(\S+)", script)) == {"isnet"}
    kinds = config["available_node_types"]
    network = kinds["head"]["node_config"]["networkInterfaces"][0]["subnetwork"].rpartition("/")[2]
    assert f"subnets create {network} " in script
    (account,) = kinds["cpu"]["node_config"]["serviceAccounts"]
    assert f"service-accounts create {account['email'].partition('@')[0]}\n" in script


def test_it_asks_for_project_bucket_and_address():
    ended = subprocess.run([SCRIPT, "project"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "usage: gcp.sh PROJECT BUCKET ADDRESS/32" in ended.stderr
