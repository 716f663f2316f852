"""A real S3 server (SeaweedFS), and how to reach it."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from rehearsal.machine import WEED

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
        """Return the server as pyarrow sees it."""
        return fs.S3FileSystem(
            access_key=self.key,
            secret_key=self.secret,
            endpoint_override=self.endpoint,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )

    def put(self, path: str, data: bytes) -> None:
        """Write an object."""
        with self.filesystem().open_output_stream(f"{BUCKET}/{path}") as stream:
            stream.write(data)

    def get(self, path: str) -> bytes:
        """Read an object whole."""
        with self.filesystem().open_input_stream(f"{BUCKET}/{path}") as stream:
            return stream.read()

    def names(self, path: str) -> list[str]:
        """Objects below a path."""
        root = f"{BUCKET}/{path}"
        everything = fs.FileSelector(root, recursive=True, allow_not_found=True)
        infos = self.filesystem().get_file_info(everything)
        files = [info.path for info in infos if info.type == fs.FileType.File]
        return sorted(name[len(root) + 1 :] for name in files)

    def command(self, folder: Path, **ports: int) -> list[str]:
        """Write the server's configuration into a folder; return the command that starts it.

        Args:
            folder: keeps the objects, too.
            ports: `master`, `volume` and `filer`, where they are not the server's own.

        """
        credentials = [{"accessKey": self.key, "secretKey": self.secret}]
        identity = {"name": "isnet", "credentials": credentials, "actions": ["Admin"]}
        (folder / "s3.json").touch(0o600)
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()
        address, _, port = self.endpoint.rpartition(":")
        options = {
            "dir": folder / "data",
            "ip": address,
            "ip.bind": address,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 256,
            "volume.max": 20,
            "volume.preStopSeconds": 1,
            "s3.port": port,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": folder / "s3.json",
            **{f"{name}.port": port for name, port in ports.items()},
        }
        flags = [f"-{name}={value}" for name, value in options.items()]
        return [str(WEED), "server", "-filer", "-s3", *flags]

    def await_bucket(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Make the bucket as soon as the server answers and can write.

        Raises:
            RuntimeError: it has ended, or does not answer.

        """
        limit = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.filesystem().create_dir(BUCKET)
                self.put("ready", b"yes")
                return
            except OSError as error:
                ended = process.poll() is not None
                if ended or time.monotonic() > limit:
                    raise RuntimeError(f"no S3 server: {log.read_text()[-2000:]}") from error
                time.sleep(0.5)
