"""The cluster: a head, two workers, an MLflow server, an object store, a desk to submit from."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rehearsal import dashboard, network
from rehearsal.host import Host
from rehearsal.job import Job
from rehearsal.machine import ROOT, image_environment
from rehearsal.object_store import ObjectStore
from rehearsal.tracking import Tracking
from rehearsal.waiting import wait_until

WORKERS = ("worker-1", "worker-2")
CPUS = 3
"""Logical CPUs of a worker. They are how Ray deals work out, not how many cores there are."""


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
        self.logs = folder / "jobs"
        self.logs.mkdir(parents=True)
        self._jobs: list[Job] = []

    def __enter__(self) -> Self:
        """Start every host but the one for guests, and wait until they answer."""
        network.build_switch()
        started = time.monotonic()
        try:
            self._start_services()
        except BaseException:
            self._end()
            raise
        hosts = (self.hosts[name] for name in ("head", "mlflow", *WORKERS))
        held = ", ".join(f"{host.name} {host.memory() / 2**30:.2f} GiB" for host in hosts)
        print(f"cluster: up in {time.monotonic() - started:.0f} s; holds {held}", flush=True)
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
        for name in WORKERS:
            self.add(name)
        self.await_workers()
        self.tracking.await_up()

    def _end(self) -> None:
        for host in self.hosts.values():
            if host.is_up:
                host.kill()

    def start_head(self) -> None:
        """Boot the head and wait until it answers."""
        self.head.boot()
        self._start_ray("head", "head.sh")
        wait_until("answer of the head", lambda: self.ask("/api/version")[0] == 200)

    def add(self, name: str) -> None:
        """Boot a worker and have it join."""
        self.hosts[name].boot()
        self._start_ray(name, "worker.sh", "--num-cpus", CPUS)

    def _start_ray(self, name: str, script: str, *options: object) -> None:
        """Have Ray run on a host, again and again as long as it lives."""
        start = ROOT / "cluster" / "start"
        here = ["--node-ip-address", network.ADDRESSES[name], "--object-store-memory", 200_000_000]
        self.hosts[name].start(start / "keep.sh", start / script, "--block", *here, *options)

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
        found = {names[address] for address in alive if address in names}
        return sorted(found - {self.head.name})

    def await_workers(self) -> None:
        """Wait until the head knows both workers, and no other."""
        wait_until("both workers", lambda: self.workers() == list(WORKERS))

    def hosts_of(self, word: str) -> list[str]:
        """Names of the hosts that have a process whose command line holds a word."""
        return [name for name, host in self.hosts.items() if host.is_up and host.processes(word)]

    def await_on_both(self, word: str) -> None:
        """Wait until both workers have such a process."""
        wait_until(f"{word} on both workers", lambda: self.hosts_of(word) == list(WORKERS))

    def ask(self, path: str) -> tuple[int, str]:
        """GET from the dashboard with the cluster's token; return status and body."""
        return dashboard.ask(self.head, path, token=self.token)

    def submit(self, name: str, *words: object, folder: Path | None = None) -> Job:
        """Submit a command as the README does; its output streams into a file.

        Args:
            name: its submission id.
            words: of the command.
            folder: a working directory in place of the project's.

        """
        runtime = ["--runtime-env", ROOT / "cluster" / "runtime-env.yaml"]
        carried = ["--working-dir", folder] if folder else ["--working-dir", ROOT, *runtime]
        command = ["ray", "job", "submit", "--submission-id", name, *carried, "--", *words]
        job = Job(name, self.logs, self.head.over(*command), self.desk())
        self._jobs.append(job)
        return job

    def stop(self, name: str) -> None:
        """Stop a job in order, and wait until it has ended."""
        command = self.head.over("ray", "job", "stop", name)
        subprocess.run(command, env=self.desk(), capture_output=True, check=True, timeout=180)

    def recover(self) -> None:
        """After a scene that failed: start what was taken away, stop what still runs."""
        if not self.head.is_up:
            self.start_head()
        for name in WORKERS:
            if self.hosts[name].is_up:
                network.heal(name)
            else:
                self.add(name)
        for job in self._jobs:
            if job.is_running:
                self.stop(job.name)

    def desk(self) -> dict[str, str]:
        """Environment of a user who may use the cluster."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return ours | {
            "PATH": self.head.environment["PATH"],
            "RAY_ADDRESS": dashboard.DASHBOARD,
            "RAY_DASHBOARD_ADDRESS": dashboard.DASHBOARD,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
        }
