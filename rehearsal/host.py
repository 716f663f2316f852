"""One host: its own network, hostname, processes, shared memory, temporary files and project."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil

from rehearsal import network
from rehearsal.machine import ROOT, SCRIPTS

_IN_THE_IMAGE = (".venv", "isnet", "pipelines", "cluster", "pyproject.toml")
"""What a host has of this checkout; everything else a job must bring or find in storage."""

_BOOT = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
hostname {name}
mount --bind {folder}/hosts /etc/hosts
[ -d /tmp/ray ] || mkdir -m 1777 /tmp/ray
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp/ray
mount -t tmpfs tmpfs {folder}/image
cd {root}
for part in {parts}; do
    if [ -d "$part" ]; then mkdir "{folder}/image/$part"; else touch "{folder}/image/$part"; fi
    mount --bind "$part" "{folder}/image/$part"
    mount -o remount,bind,ro "{folder}/image/$part"
done
mount --move {folder}/image {root}
echo up
while :; do sleep 3600 & wait $! || true; done
"""
"""The first process of a host. A shell, since orphans become its children, and it reaps them."""


class Host:
    """A host of the rehearsal, which lives until it is killed or this process ends.

    Args:
        name: one of `network.ADDRESSES`.
        folder: keeps its log, and what of its files is to be looked at.
        environment: of every process on it.

    """

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Plan it."""
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        (self.folder / "hosts").write_text(network.hosts_file())
        self.environment = {
            "PATH": f"{SCRIPTS}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            **environment,
        }
        self._boots: subprocess.Popen[str] | None = None

    def boot(self) -> None:
        """Start the host, without anything on it but its first process."""
        for part in ("image", "home"):
            (self.folder / part).mkdir(exist_ok=True)
        script = _BOOT.format(
            name=self.name,
            folder=shlex.quote(str(self.folder)),
            root=shlex.quote(str(ROOT)),
            parts=shlex.join(part for part in _IN_THE_IMAGE if (ROOT / part).exists()),
        )
        spaces = ["--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--kill-child"]
        with self.log.open("ab") as log:
            boots = self._boots = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", *spaces, "bash", "-c", script],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert boots.stdout is not None
        if boots.stdout.readline() != "up\n":
            raise RuntimeError(f"{self.name} did not start; is this a container without mounts?")
        network.connect(self.name, self._first)

    @property
    def is_up(self) -> bool:
        """Whether it has power; a host that is cut off has."""
        return self._boots is not None and self._boots.poll() is None

    @property
    def _first(self) -> int:
        """The host's first process, as this machine numbers it."""
        assert self._boots is not None
        (child,) = psutil.Process(self._boots.pid).children()
        return child.pid

    def start(self, *words: object, **environment: str) -> subprocess.Popen[bytes]:
        """Start a command on the host; what it prints goes to the host's log."""
        inside = ["nsenter", "--target", str(self._first), "--net", "--uts", "--ipc", "--mount"]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*inside, "--pid", "--wdns=" + str(ROOT), *map(str, words)],
                env=self.environment | environment,
                stdout=log,
                stderr=log,
            )

    def over(self, *words: object) -> list[str]:
        """Put a command into the host's network alone, as an SSH tunnel would."""
        return ["nsenter", "--target", str(self._first), "--net", "--", *map(str, words)]

    @property
    def log(self) -> Path:
        """What its processes printed."""
        return self.folder / "log"

    def log_end(self) -> str:
        """Read the end of the log, for messages."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def memory(self) -> int:
        """Bytes that its processes hold, what they share counted once."""
        return sum(process.memory_full_info().pss for process in self.processes())

    def processes(self, word: str = "") -> list[psutil.Process]:
        """Its processes whose command line holds a word."""
        ours, found = _namespace(self._first), []
        for process in psutil.process_iter():
            try:
                if _namespace(process.pid) == ours and word in " ".join(process.cmdline()):
                    found.append(process)
            except (OSError, psutil.NoSuchProcess):  # it has ended in between
                continue
        return found

    def kill(self) -> None:
        """Take its power: every process on it is gone at once."""
        os.kill(self._first, signal.SIGKILL)
        assert self._boots is not None
        self._boots.wait()


def _namespace(pid: int) -> str:
    """Say in which space of processes one is."""
    return os.readlink(f"/proc/{pid}/ns/pid")
