"""The MLflow server on a host of its own: PostgreSQL beside it, artifacts in the object store."""

from __future__ import annotations

import secrets
import shutil
import urllib.error
import urllib.request

from rehearsal.host import Host, wait_until
from rehearsal.machine import ROOT, postgres_programs
from rehearsal.object_store import BUCKET

URI = "http://mlflow:5000"
_USER, _DATABASE = "mlflow", "mlflow"


def start(host: Host) -> None:
    """Start PostgreSQL and begin to start MLflow on it, as `cluster/start/tracking.sh` does."""
    password = secrets.token_hex(16)
    _start_database(host, password)
    host.start(
        ROOT / "cluster" / "start" / "tracking.sh",
        MLFLOW_BACKEND_STORE_URI=f"postgresql+psycopg2://{_USER}:{password}@127.0.0.1/{_DATABASE}",
        MLFLOW_ARTIFACTS_DESTINATION=f"s3://{BUCKET}/mlflow",
        MLFLOW_SERVER_ALLOWED_HOSTS="mlflow:5000",
        MLFLOW_S3_ENDPOINT_URL=host.environment["AWS_ENDPOINT_URL"],
        MLFLOW_WORKERS="1",
    )


def is_up() -> bool:
    """Whether the server answers the desk."""
    try:
        with urllib.request.urlopen(f"{URI}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _start_database(host: Host, password: str) -> None:
    """Run PostgreSQL as its own user, for this host alone, behind a password."""
    programs, folder = postgres_programs(), host.folder / "postgres"
    folder.mkdir()
    (folder / "password").write_text(password)
    for path in (folder, folder / "password"):
        shutil.chown(path, "postgres", "postgres")
        path.chmod(0o700)
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    data, access = folder / "data", ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
    made = host.start(*user, programs / "initdb", "-D", data, "-U", _USER, *access)
    if made.wait():
        raise RuntimeError(f"no database: {host.log.read_text()[-2000:]}")
    only_here = ["-h", "127.0.0.1", "-k", folder]
    host.start(*user, programs / "postgres", "-D", data, *only_here)
    create = [programs / "createdb", "-h", "127.0.0.1", "-U", _USER, _DATABASE]
    wait_until("database", lambda: not host.start(*create, PGPASSWORD=password).wait(), seconds=60)
