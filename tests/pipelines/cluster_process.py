"""A Ray cluster of several nodes on this machine: a process that is told what to do on stdin.

It starts a head without CPUs and as many nodes as its argument says, and prints its address.
Then a line `add` starts one node more, and `remove` kills one at once. With an address as its
argument it is one more node of that cluster.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType

NODE_CPUS = 3
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A lost node is noticed in seconds.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    # Workers that cannot be placed are given up in seconds.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "15",
}


class ClusterProcess:
    """The cluster, from the outside."""

    def __init__(self, nodes: int | str, *, head_cpus: int = 0, prefix: Sequence[str] = ()) -> None:
        """Start it; on leaving the context every process of it is gone.

        Args:
            nodes: how many beside the head; or the address of a cluster that one node joins.
            head_cpus: logical CPUs of the head.
            prefix: words before the command, such as another program that starts it.

        """
        clean = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        self.environment = ENVIRONMENT
        self._process = subprocess.Popen(
            [*prefix, sys.executable, __file__, str(nodes), str(head_cpus)],
            env=clean | ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._answer()

    def tell(self, word: str) -> None:
        """`add` or `remove` a node; returns once it is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._answer() == "done"

    def __enter__(self) -> ClusterProcess:
        """Return the cluster."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop every node."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _answer(self) -> str:
        """Read our own next line: Ray prints there, too."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("cluster: "):
                return line.removeprefix("cluster: ").strip()
        raise AssertionError("the cluster has ended")


def join(address: str) -> None:
    """Be a node of a cluster until stdin ends."""
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    parameters = RayParams(
        gcs_address=address,
        redis_address=address,
        num_cpus=1,
        object_store_memory=150 * 1024 * 1024,
        node_manager_port=0,
        min_worker_port=0,
        max_worker_port=0,
        include_log_monitor=False,
    )
    Node(parameters, head=False, shutdown_at_exit=True, spawn_reaper=True)
    print("cluster: joined", flush=True)
    sys.stdin.read()


def main(nodes: int, head_cpus: int) -> None:
    """Run the cluster until stdin ends."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    cluster.add_node(num_cpus=head_cpus)
    running = [cluster.add_node(num_cpus=NODE_CPUS) for _ in range(nodes)]
    print(f"cluster: {cluster.address}", flush=True)
    for line in sys.stdin:
        if line.strip() == "add":
            running.append(cluster.add_node(num_cpus=NODE_CPUS))
        else:
            cluster.remove_node(running.pop(), allow_graceful=False)
        print("cluster: done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    argument = sys.argv[1]
    if argument.isdigit():
        main(int(argument), int(sys.argv[2]))
    else:
        join(argument)
