"""The cluster: its nodes, memory, object store, GPUs, and what waits for room."""

from __future__ import annotations

from panels import Board, Graph, Stat, Variable
from shared import GPUS

NODE = '{NodeAddress=~"$node"}'
IP = '{ip=~"$node"}'


def _by_node(metric: str, label: str) -> str:
    return f"max by ({label}) ({metric}{NODE if label == 'NodeAddress' else IP})"


STORE_USED = _by_node("ray_object_store_used_memory", "NodeAddress")
STORE_FREE = _by_node("ray_object_store_available_memory", "NodeAddress")
MEMORY = f"{_by_node('ray_node_mem_used', 'ip')} / {_by_node('ray_node_mem_total', 'ip')}"
FULL = [("green", None), ("orange", 0.8), ("red", 0.9)]

BOARD = Board(
    name="cluster",
    title="ISNet cluster",
    description="The Ray cluster that everything runs on.",
    variables=[
        Variable(
            name="node",
            label="Node",
            description="By address.",
            query="label_values(ray_node_mem_total, ip)",
        )
    ],
    stats=[
        Stat(
            title="Nodes",
            description="That tell of themselves.",
            query="count(count by (ip) (ray_node_mem_total)) or vector(0)",
            steps=[("red", None), ("green", 1)],
        ),
        Stat(
            title="Fullest memory",
            description="Ray ends tasks of a node at 95 %.",
            query=f"max({MEMORY})",
            unit="percentunit",
            most=1,
            steps=FULL,
        ),
        Stat(
            title="Fullest object store",
            description="What does not fit goes to the disk.",
            query=f"max({STORE_USED} / ({STORE_USED} + {STORE_FREE}))",
            unit="percentunit",
            most=1,
            steps=FULL,
        ),
        Stat(
            title="Spilled",
            description="Objects on disks.",
            query='sum(ray_object_store_memory{Location="SPILLED"}) or vector(0)',
            unit="bytes",
            steps=[("green", None), ("orange", 1)],
        ),
        Stat(
            title="GPUs",
            description="Mean utilisation of those there are.",
            query="avg(ray_node_gpus_utilization) / 100",
            unit="percentunit",
            most=1,
        ),
        Stat(
            title="Wait for room",
            description="Groups of workers, and tasks or actors that fit no node.",
            query=(
                '(sum(ray_gcs_placement_group_count{State="Pending"}) or vector(0)) + '
                '(sum(ray_scheduler_unscheduleable_tasks{Reason="Infeasible"}) or vector(0))'
            ),
            steps=[("green", None), ("orange", 1)],
        ),
    ],
    graphs={
        "Nodes": [
            Graph(
                title="CPU",
                queries={"{{ip}}": f"{_by_node('ray_node_cpu_utilization', 'ip')} / 100"},
                unit="percentunit",
                most=1,
            ),
            Graph(title="Memory", queries={"{{ip}}": MEMORY}, unit="percentunit", most=1),
            Graph(
                title="Disk",
                queries={
                    "{{ip}}": f"{_by_node('ray_node_disk_utilization_percentage', 'ip')} / 100"
                },
                unit="percentunit",
                most=1,
            ),
            Graph(
                title="Network",
                queries={
                    "{{ip}} in": _by_node("ray_node_network_receive_speed", "ip"),
                    "{{ip}} out": _by_node("ray_node_network_send_speed", "ip"),
                },
                unit="Bps",
            ),
            Graph(
                title="Memory by component",
                description="What Ray's parts and its workers hold for themselves.",
                queries={"{{Component}}": f"sum by (Component) (ray_component_uss_bytes{IP})"},
                unit="bytes",
                stacked=True,
            ),
            Graph(
                title="Nodes that tell of themselves",
                queries={"nodes": "count(count by (ip) (ray_node_mem_total))"},
                decimals=0,
            ),
        ],
        "Object store": [
            Graph(
                title="In use",
                queries={"{{NodeAddress}}": f"{STORE_USED} / ({STORE_USED} + {STORE_FREE})"},
                unit="percentunit",
                most=1,
            ),
            Graph(
                title="By place",
                description="In shared memory, in worker heaps, on disks.",
                queries={"{{Location}}": f"sum by (Location) (ray_object_store_memory{NODE})"},
                unit="bytes",
                stacked=True,
            ),
        ],
        "Work": [
            Graph(
                title="CPUs and GPUs in use",
                description="By what tasks and actors asked for.",
                queries={
                    "{{Name}}": "sum by (Name) (max by (NodeAddress, Name) "
                    '(ray_resources{NodeAddress=~"$node",Name=~"CPU|GPU",State="USED"}))'
                },
                stacked=True,
            ),
            Graph(
                title="Tasks",
                description="That are not finished.",
                queries={
                    "{{State}}": 'sum by (State) (ray_tasks{State!~"FINISHED|FAILED"}) > 0',
                },
                stacked=True,
            ),
            Graph(
                title="Waiting for room",
                queries={
                    "{{Reason}}": "sum by (Reason) (ray_scheduler_unscheduleable_tasks) > 0",
                    "groups of workers": 'sum(ray_gcs_placement_group_count{State="Pending"})',
                },
                decimals=0,
            ),
        ],
        "GPUs": GPUS,
    },
)
