"""The real endpoint as a process of its own: `serve.py`, its Ray and its replicas."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from typing import Literal

import psutil

from tests.pipelines.command_process import CommandProcess
from tests.pipelines.evaluation.checkpoints import write_checkpoint

READY_SECONDS = 500
"""Seconds in ten on a quiet machine of two cores."""

Deployment = Literal["Ingress", "Model", "Jobs"]


class EndpointProcess(CommandProcess):
    """`serve.py` with a small network, on a free port of this machine."""

    def __init__(self, folder: Path, *words: object) -> None:
        """Plan it.

        Args:
            folder: where it runs, and where its output goes.
            words: more of the command line.

        """
        super().__init__("serve.py", folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.checkpoint = write_checkpoint(folder / "model")
        given = ["--checkpoint", self.checkpoint, "--port", self.port, "--model-cpus", 1]
        self.words = [str(word) for word in [*given, *words]]
        self._starts = 0

    def start(self, **environment: str) -> None:
        """Start the command, the first time or once more."""
        self._starts += 1
        super().start(**environment)

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._starts > 0 and self.process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait until the command says that it serves, which it does once a model is loaded."""
        until = time.monotonic() + READY_SECONDS
        while self.output.count("Ctrl-C stops it") < self._starts:
            assert self.running, self.output[-4000:]
            assert time.monotonic() < until, self.output[-4000:]
            time.sleep(0.1)

    def family(self) -> list[psutil.Process]:
        """Every process that the command has started, and it did not end."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def replicas(self, deployment: Deployment) -> list[psutil.Process]:
        """The replicas of a deployment that are ready, as processes."""
        return ready_replicas(self.family(), deployment)

    def kill_replicas(self, deployment: Deployment, count: int) -> None:
        """SIGKILL so many replicas, all at once."""
        chosen = self.replicas(deployment)[:count]
        assert len(chosen) == count
        for process in chosen:
            process.kill()

    def wait_for_replicas(self, deployment: Deployment, count: int) -> None:
        """Wait until there are so many replicas."""
        until = time.monotonic() + READY_SECONDS
        while len(self.replicas(deployment)) < count:
            assert time.monotonic() < until, self.output[-4000:]
            time.sleep(0.2)

    def stop(self, number: signal.Signals) -> int:
        """Ask the command to end; return its exit code once all its processes are gone."""
        family = self.family()
        self.process.send_signal(number)
        code = self.finish(timeout=180)
        _, left = psutil.wait_procs(family, timeout=60)
        assert not left
        return code


def ready_replicas(processes: list[psutil.Process], deployment: Deployment) -> list[psutil.Process]:
    """Pick the replicas of a deployment out of processes, by what Ray calls them."""
    commands = {process: command_line(process) for process in processes}
    name = f"ray::ServeReplica:isnet:{deployment}"
    return [
        process
        for process, command in commands.items()
        if command.startswith(name) and "initialize" not in command
    ]


def command_line(process: psutil.Process) -> str:
    """Return the words of a process's command line; nothing, where it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
