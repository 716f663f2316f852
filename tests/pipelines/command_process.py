"""An entry point as a process of its own, to be watched and killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


class CommandProcess:
    """One command in a folder of its own, started as often as a test likes."""

    def __init__(self, script: str, folder: Path) -> None:
        """Plan a script of `pipelines/`; `words` are what stands after it."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.words: Sequence[str] = ()
        self.process: subprocess.Popen[str]
        self._script = ROOT / "pipelines" / script

    def command(self) -> list[str]:
        """The words of the command line."""
        return [sys.executable, str(self._script), *self.words]

    def start(self, **environment: str) -> None:
        """Start the command; its output goes to a file."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        with (self.folder / "output.log").open("a") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=clean | environment,
                stdout=log,
                stderr=log,
                text=True,
            )

    def finish(self, timeout: float = 500) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(timeout=timeout)

    def kill(self) -> None:
        """SIGKILL the driver; return once its Ray has noticed and is gone, too."""
        children, agents = self.children(), self.children("Agent")
        self.process.kill()
        self.process.wait()
        for agent in agents:  # they do no work, and would look for the dead Ray for a minute
            with suppress(psutil.NoSuchProcess):
                agent.kill()
        _, alive = psutil.wait_procs(children, timeout=120)
        assert not alive

    @property
    def output(self) -> str:
        """Everything printed so far, by every start."""
        return (self.folder / "output.log").read_text()

    def wait_for_output(self, words: str, timeout: float = 300) -> None:
        """Wait until something was printed."""
        until = time.monotonic() + timeout
        while words not in self.output:
            assert self.process.poll() is None, self.output[-4000:]
            assert time.monotonic() < until, self.output[-4000:]
            time.sleep(0.05)

    def workers(self) -> list[psutil.Process]:
        """The training processes of a local Ray."""
        return self.children("RayTrainWorker")

    def children(self, word: str = "") -> list[psutil.Process]:
        """What the driver has started, by a word of the command line."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if word in _command(child)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has ended in between
        return ""
