"""The cluster: a head, two workers, an MLflow server, an object store, a desk to submit from."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rehearsal import network
from rehearsal.host import Host, wait_until
from rehearsal.job import Job
from rehearsal.machine import ROOT, image_environment
from rehearsal.object_store import ObjectStore
from rehearsal.tracking import Tracking

CPUS = 3
"""Logical CPUs of a worker. They are how Ray deals work out, not how many cores there are."""

DASHBOARD = "http://127.0.0.1:8265"
"""On the head's loopback; from elsewhere through a tunnel."""

_FETCH = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers=dict(x.split(": ", 1) for x in sys.argv[2:]))
try:
    with urllib.request.urlopen(request, timeout=10) as answer:
        print(answer.status, answer.read().decode(), end="")
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), end="")
except OSError as error:
    print(0, error, end="")
"""


class Cluster:
    """Hosts that live as long as the context; nothing of them is left when it ends.

    Args:
        folder: keeps every host's log, the objects and the database.

    """

    def __init__(self, folder: Path) -> None:
        """Plan it."""
        self.folder = folder
        self.token = secrets.token_hex(32)
        """Ray's."""
        self.endpoint_token = secrets.token_hex(16)
        self.store = ObjectStore(
            endpoint=f"{network.ADDRESSES['storage']}:8333",
            key="isnet-rehearsal",
            secret=secrets.token_hex(16),
        )
        environment = (
            image_environment()
            | self.store.environment()
            | {"RAY_AUTH_TOKEN": self.token, "ISNET_TOKEN": self.endpoint_token}
            | {"RAY_HEAD_IP": network.ADDRESSES["head"]}
            # Workers that no longer fit are done without after as long.
            | {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "12"}
        )
        self.hosts = {name: Host(name, folder, environment) for name in network.ADDRESSES}
        self.head = self.hosts["head"]
        self.tracking = Tracking(self.hosts["mlflow"])
        self.jobs = folder / "jobs"
        self.jobs.mkdir(parents=True)

    def __enter__(self) -> Self:
        """Start every host but the third worker, and wait until they answer."""
        network.build_switch()
        started = time.monotonic()
        try:
            self._start_services()
        except BaseException:
            self._end()
            raise
        print(f"cluster: up in {time.monotonic() - started:.0f} s", flush=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every host."""
        self._end()

    def _start_services(self) -> None:
        storage = self.hosts["storage"]
        storage.boot()
        server = storage.start(*self.store.command(storage.folder))
        self.store.await_bucket(server, storage.log)
        self.tracking.start()
        self.start_head()
        for name in ("worker-1", "worker-2"):
            self.add(name)
        self.await_workers(2)
        self.tracking.await_up()

    def _end(self) -> None:
        for host in self.hosts.values():
            if host.is_up:
                host.kill()

    def start_head(self) -> None:
        """Boot the head and wait until it answers."""
        self.head.boot()
        script = ROOT / "cluster" / "start" / "head.sh"
        self.head.start(script, "--block", *self._node_options("head"))
        wait_until("answer of the head", lambda: self.ask("/api/version")[0] == 200)

    def add(self, name: str) -> None:
        """Boot a worker and have it join."""
        self.hosts[name].boot()
        """Have Ray run on a worker, again and again as long as the host lives."""
        keep, worker = (ROOT / "cluster" / "start" / f"{kind}.sh" for kind in ("keep", "worker"))
        options = ["--block", "--num-cpus", CPUS, *self._node_options(name)]
        self.hosts[name].start(keep, worker, *options)

    def _node_options(self, name: str) -> list[object]:
        return ["--node-ip-address", network.ADDRESSES[name], "--object-store-memory", 200_000_000]

    def workers(self) -> list[str]:
        """Names of the workers that the head thinks alive."""
        status, body = self.ask("/nodes?view=summary")
        if status != 200:
            return []
        names = {address: name for name, address in network.ADDRESSES.items()}
        nodes: list[dict[str, Any]] = [
            node["raylet"] for node in json.loads(body)["data"]["summary"]
        ]
        alive = {node.get("nodeManagerAddress") for node in nodes if node.get("state") == "ALIVE"}
        return sorted(names[address] for address in alive if address in names)

    def await_workers(self, count: int) -> None:
        """Wait until the head knows as many workers, no more and no fewer."""
        wait_until(
            f"{count} workers", lambda: len([n for n in self.workers() if n != "head"]) == count
        )

    def hosts_of(self, word: str) -> list[str]:
        """Names of the hosts that have a process whose command line holds a word."""
        return [name for name, host in self.hosts.items() if host.is_up and host.processes(word)]

    def await_on_both(self, word: str) -> None:
        """Wait until both workers have such a process."""
        both = ["worker-1", "worker-2"]
        wait_until(f"{word} on both workers", lambda: self.hosts_of(word) == both)

    def ask(self, path: str, *, token: str | None = None) -> tuple[int, str]:
        """GET from the dashboard, through the head's network; 0 when nobody answers there.

        Args:
            path: below the dashboard's address.
            token: another than the cluster's; an empty one sends none.

        """
        header = f"Authorization: Bearer {self.token if token is None else token}"
        headers = [header] if token != "" else []
        command = [sys.executable, "-c", _FETCH, f"{DASHBOARD}{path}", *headers]
        done = subprocess.run(self.head.over(*command), capture_output=True, text=True, check=True)
        status, _, body = done.stdout.partition(" ")
        return int(status), body

    def submit(self, name: str, *words: object) -> Job:
        """Submit a command as the README does; its output streams into a file."""
        return Job(name, self.jobs, self.at_desk(*self._submitting(name), *words), self.desk())

    def stop(self, name: str) -> None:
        """Stop a job in order, and wait until it has ended."""
        command = self.at_desk("ray", "job", "stop", name)
        subprocess.run(command, env=self.desk(), capture_output=True, check=True)

    def _submitting(self, name: str) -> list[object]:
        carried = ["--working-dir", ROOT, "--runtime-env", ROOT / "cluster" / "runtime-env.yaml"]
        return ["ray", "job", "submit", "--submission-id", name, *carried, "--"]

    def at_desk(self, *words: object) -> list[str]:
        """Put a command of a user's own machine into the tunnel to the head."""
        return self.head.over(*words)

    def desk(self) -> dict[str, str]:
        """Environment of a user who may use the cluster."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return ours | {
            "PATH": self.head.environment["PATH"],
            "RAY_ADDRESS": DASHBOARD,
            "RAY_DASHBOARD_ADDRESS": DASHBOARD,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
        }
