"""The MLflow server on a host of its own: PostgreSQL beside it, artifacts in the object store."""

from __future__ import annotations

import secrets
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from rehearsal.host import Host
from rehearsal.machine import ROOT, postgres_programs
from rehearsal.object_store import BUCKET
from rehearsal.outcome import expect
from rehearsal.waiting import wait_until

URI = "http://mlflow:5000"
_NAME = "mlflow"
"""Of the database, and of its user."""


class Tracking:
    """The server, its database, and the backups of it.

    Args:
        host: where both run.

    """

    def __init__(self, host: Host) -> None:
        """Plan it."""
        self.host = host
        self._password = secrets.token_hex(16)
        self._folder = host.folder / "postgres"

    def start(self, backup: Path | None = None) -> None:
        """Boot the host, with a new database or a backup's, and begin to start the server."""
        self.host.boot()
        self._start_database()
        self._client("createdb", _NAME)
        if backup is not None:
            self._client("pg_restore", "--dbname", _NAME, backup)
        self.host.start(
            ROOT / "cluster" / "start" / "tracking.sh",
            MLFLOW_BACKEND_STORE_URI=f"postgresql+psycopg2://{_NAME}@127.0.0.1/{_NAME}",
            MLFLOW_DATABASE_PASSWORD_FILE=str(self._folder / "password"),
            MLFLOW_ARTIFACTS_DESTINATION=f"s3://{BUCKET}/mlflow",
            MLFLOW_SERVER_ALLOWED_HOSTS="mlflow:5000",
            MLFLOW_S3_ENDPOINT_URL=self.host.environment["AWS_ENDPOINT_URL"],
            MLFLOW_WORKERS="1",
        )

    def await_up(self) -> None:
        """Wait until the server answers the desk."""
        wait_until("MLflow server", _answers)

    def backup(self) -> Path:
        """Write the database into a file of the desk's."""
        path = self.host.folder / "mlflow.dump"
        self._client("pg_dump", "--format", "custom", "--file", path, _NAME)
        return path

    def destroy(self) -> None:
        """Take the host's power and its disk."""
        self.host.kill()
        shutil.rmtree(self._folder)

    def _start_database(self) -> None:
        """Run PostgreSQL as its own user, for this host alone, behind a password."""
        self._folder.mkdir()
        password = self._folder / "password"
        password.write_text(self._password, encoding="utf-8")
        for path in (self._folder, password):
            shutil.chown(path, "postgres", "postgres")
            path.chmod(0o700)
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        data, programs = self._folder / "data", postgres_programs()
        access = ["--username", _NAME, "--auth=scram-sha-256", f"--pwfile={password}"]
        made = self.host.start(*user, programs / "initdb", "--pgdata", data, *access).wait()
        expect(not made, f"no database: {self.host.log_end()}")
        self.host.start(*user, programs / "postgres", "-D", data, "-h", "127.0.0.1", "-k", data)
        ready = [programs / "pg_isready", "--host", "127.0.0.1"]
        wait_until("database", lambda: not self.host.start(*ready).wait(), seconds=60)

    def _client(self, program: str, *words: object) -> None:
        """Run one of PostgreSQL's own commands."""
        access = ["--host", "127.0.0.1", "--username", _NAME]
        command = [postgres_programs() / program, *access, *words]
        failed = self.host.start(*command, PGPASSWORD=self._password).wait()
        expect(not failed, f"{program}: {self.host.log_end()}")


def _answers() -> bool:
    try:
        with urllib.request.urlopen(f"{URI}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
