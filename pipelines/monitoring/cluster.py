"""Finding in exported values how the nodes of a cluster are."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.monitoring.samples import Key, Window
from pipelines.monitoring.state import Gpu, Node, Waiting, number

_MIB = 2**20
"""Ray tells a GPU's memory in MiB."""


def nodes_of(window: Window) -> tuple[Node, ...]:
    """Describe each node that tells of itself, the head first."""
    heads = {
        ip for ip, head in window.values("ray_node_mem_total", "ip", "IsHeadNode") if head == "true"
    }
    by_address = {
        name: _highest(window, name, "ip")
        for name in ("ray_node_cpu_utilization", "ray_node_mem_used", "ray_node_mem_total")
    }
    store_used = _highest(window, "ray_object_store_used_memory", "NodeAddress")
    store_free = _highest(window, "ray_object_store_available_memory", "NodeAddress")
    spilled = window.total("ray_object_store_memory", "NodeAddress", Location="SPILLED")
    training = window.values("ray_isnet_train_last_step_timestamp_seconds", "NodeAddress")
    found = []
    for address in by_address["ray_node_mem_total"]:
        cpu = by_address["ray_node_cpu_utilization"].get(address)
        used, free = store_used.get(address), store_free.get(address)
        found.append(
            Node(
                address=address,
                is_head=address in heads,
                cpu=None if cpu is None else cpu / 100,
                memory_used=by_address["ray_node_mem_used"].get(address),
                memory_total=by_address["ray_node_mem_total"][address],
                store_used=used,
                store_total=None if used is None or free is None else used + free,
                spilled=spilled.get((address,), 0.0),
                gpus=_gpus(window, address),
                trains=(address,) in training,
            )
        )
    return tuple(sorted(found, key=lambda node: (not node.is_head, node.address)))


def waiting_of(window: Window) -> Waiting:
    """Count what waits for room."""
    tasks = window.total("ray_scheduler_unscheduleable_tasks", Reason="Infeasible")
    groups = window.total("ray_gcs_placement_group_count", State="Pending")
    return Waiting(
        tasks=round(tasks.get((), 0)),
        placement_groups=round(groups.get((), 0)),
    )


def _gpus(window: Window, address: str) -> tuple[Gpu, ...]:
    """Describe the GPUs of a node; none where it has none."""
    utilisation = window.highest("ray_node_gpus_utilization", "GpuIndex", ip=address)
    used = window.highest("ray_node_gram_used", "GpuIndex", ip=address)
    free = window.highest("ray_node_gram_available", "GpuIndex", ip=address)
    return tuple(
        Gpu(
            index=key[0],
            utilisation=number(utilisation[key] / 100),
            memory_used=used[key] * _MIB if key in used else None,
            memory_total=(used[key] + free[key]) * _MIB if key in used and key in free else None,
        )
        for key in sorted(utilisation)
    )


def _highest(window: Window, name: str, label: str) -> dict[str, float]:
    found: Mapping[Key, float] = window.highest(name, label)
    return {address: value for (address,), value in found.items()}
