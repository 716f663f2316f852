"""A real PostgreSQL on this machine's loopback: Debian's, with a cluster of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
"""Where Debian puts initdb and pg_ctl; None without them."""


class Postgres:
    """A server with a user and a database called `mlflow`, in a folder that goes with it."""

    def __init__(self, password: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
        self.port = free_port()
        self._password = password
        self._user = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root

    def start(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self._password)
        for path in (self.folder, secret):
            if self._user:
                shutil.chown(path, self._user)
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("initdb", "-U", "mlflow", "-A", "scram-sha-256", "--pwfile", secret)
        self._run("pg_ctl", "-w", "-o", options, "start")
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "mlflow", "mlflow")

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *words: str | Path) -> None:
        """Run one of PostgreSQL's programs; what it starts goes on writing to the same log."""
        assert PROGRAMS
        environment = {"PGDATA": str(self.folder / "data"), "PGPASSWORD": self._password}
        log = self.folder / "log"
        with log.open("ab") as output:
            ended = subprocess.run(
                [PROGRAMS / program, *words],
                user=self._user,
                cwd="/",
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        assert ended.returncode == 0, log.read_text()[-2000:]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def serve(password: str) -> Iterator[Postgres]:
    """Run a server as long as the block lasts."""
    server = Postgres(password)
    server.start()
    try:
        yield server
    finally:
        server.stop()
