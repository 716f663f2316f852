"""A real S3 server on this machine's loopback, for as long as a test session lasts."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.object_store import ObjectStore


@contextmanager
def serve(folder: Path) -> Iterator[ObjectStore]:
    """Run a server that keeps its data in a folder; stop it at the end."""
    master, volume, filer, port = _free_ports(4)
    store = ObjectStore(
        endpoint=f"127.0.0.1:{port}", key="isnet-tests", secret=secrets.token_hex(16)
    )
    command = store.command(folder, master=master, volume=volume, filer=filer)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        store.await_bucket(process, folder / "log")
        yield store
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder / "data", ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody uses, nor those 10,000 above, where the server speaks gRPC."""
    found: list[int] = []
    for port in range(20_000, 40_000, 7):
        if _is_free(port) and _is_free(port + 10_000):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
