"""Graphs that more than one dashboard shows."""

from __future__ import annotations

from panels import Graph

GPUS = (
    Graph(
        title="GPU utilisation",
        description="Of all nodes that have any.",
        queries={
            "{{ip}} GPU {{GpuIndex}}": "max by (ip, GpuIndex) (ray_node_gpus_utilization) / 100"
        },
        unit="percentunit",
        most=1,
    ),
    Graph(
        title="GPU memory",
        description="In use, as the driver counts it.",
        queries={"{{ip}} GPU {{GpuIndex}}": "max by (ip, GpuIndex) (ray_node_gram_used)"},
        unit="mbytes",
    ),
)

DATA = (
    Graph(
        title="CPUs of Ray Data",
        description="What its tasks hold, by operator: reading, decoding, cropping; or filling.",
        queries={"{{operator}}": "sum by (operator) (ray_data_cpu_usage_cores)"},
        stacked=True,
    ),
    Graph(
        title="Object store of Ray Data",
        description="Blocks that wait for the next operator, or for the workers.",
        queries={"{{operator}}": "sum by (operator) (ray_data_obj_store_mem_used)"},
        unit="bytes",
        stacked=True,
    ),
    Graph(
        title="Object store",
        description="Share in use of each node's; what does not fit goes to its disk.",
        queries={
            "{{NodeAddress}}": "max by (NodeAddress) (ray_object_store_used_memory) / "
            "(max by (NodeAddress) (ray_object_store_used_memory) + "
            "max by (NodeAddress) (ray_object_store_available_memory))"
        },
        unit="percentunit",
        most=1,
    ),
)


def share_of(name: str, part: str, labels: str, *by: str) -> str:
    """Ask for the share of time that is spent on a part."""
    group = f"sum by ({', '.join(by)}) " if by else "sum"
    inside = labels.replace("}", f',part="{part}"}}')
    return (
        f"{group}(rate({name}{inside}[$__rate_interval])) / "
        f"{group}(rate({name}{labels}[$__rate_interval]))"
    )
