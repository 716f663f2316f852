"""The nodes of the cluster that Ray is connected to, and what each of them answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_Answer = TypeVar("_Answer")


def alive_nodes() -> list[dict[str, Any]]:
    """List the nodes of the cluster that Ray is connected to."""
    return [node for node in ray.nodes() if node["Alive"]]


def ask_nodes(
    nodes: list[dict[str, Any]], function: Callable[..., _Answer], *arguments: object
) -> list[_Answer]:
    """Call a function once on each of these nodes, at the same time; return their answers."""
    ask = ray.remote(num_cpus=0)(function)
    answers = [
        ask.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(str(node["NodeID"]), soft=False)
        ).remote(*arguments)
        for node in nodes
    ]
    return ray.get(answers)
