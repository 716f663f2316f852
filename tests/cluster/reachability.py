"""Who may reach whom: NetworkPolicies as Kubernetes reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.cluster.kustomize import Object


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of a connection: a pod, by its labels and its namespace, or an address elsewhere."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None
    address: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)

    def namespace_labels(self) -> Mapping[str, str]:
        """What Kubernetes itself labels the namespace."""
        return {"kubernetes.io/metadata.name": self.namespace} if self.namespace else {}


Door = tuple[Mapping[str, int], int, str]
"""A port and its protocol, with the names that its pod gives to ports."""


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expression(given, labels) for given in selector.get("matchExpressions", [])
    )


def _expression(given: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    match given["operator"]:
        case "In":
            return labels.get(given["key"]) in given["values"]
        case "NotIn":
            return labels.get(given["key"]) not in given["values"]
        case "Exists":
            return given["key"] in labels
        case "DoesNotExist":
            return given["key"] not in labels
    raise ValueError(f"no such operator: {given['operator']}")


def reaches(
    policies: Iterable[Object], source: End, target: End, port: int, protocol: str = "TCP"
) -> bool:
    """Whether a connection is let out of its source and into its target."""
    policies = list(policies)
    door = (target.ports, port, protocol)
    return _lets(policies, "Ingress", target, source, door) and _lets(
        policies, "Egress", source, target, door
    )


def _lets(policies: Sequence[Object], direction: str, owner: End, other: End, door: Door) -> bool:
    """Whether one end's policies allow the other: all of them add up, and none is no limit."""
    rules_at, peers_at = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}[direction]
    mine = [policy for policy in policies if _governs(policy, direction, owner)]
    if not mine:
        return True
    rules = [rule for policy in mine for rule in policy["spec"].get(rules_at, [])]
    return any(
        _open(rule.get("ports", []), door)
        and (not rule.get(peers_at) or any(_is(peer, other, owner) for peer in rule[peers_at]))
        for rule in rules
    )


def _governs(policy: Object, direction: str, end: End) -> bool:
    return (
        policy["metadata"]["namespace"] == end.namespace
        and direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], end.labels)
    )


def _open(ports: Sequence[Mapping[str, Any]], door: Door) -> bool:
    names, port, protocol = door
    there = {
        (names.get(given["port"], given["port"]), given.get("protocol", "TCP")) for given in ports
    }
    return not ports or (port, protocol) in there


def _is(peer: Mapping[str, Any], other: End, owner: End) -> bool:
    """Whether a peer of a rule means the other end; without a namespace it means the owner's."""
    if "ipBlock" in peer:
        return other.address is not None and _within(peer["ipBlock"], other.address)
    if other.address:
        return False
    if "namespaceSelector" in peer:
        near = selects(peer["namespaceSelector"], other.namespace_labels())
    else:
        near = other.namespace == owner.namespace
    return near and selects(peer.get("podSelector", {}), other.labels)


def _within(block: Mapping[str, Any], address: str) -> bool:
    wanted = ip_address(address)
    left_out = any(wanted in ip_network(given) for given in block.get("except", []))
    return wanted in ip_network(block["cidr"]) and not left_out
