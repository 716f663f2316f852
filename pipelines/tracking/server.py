"""Reach an MLflow tracking server or database: accepted URIs, a check in seconds, the client."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from isnet.config import InputError
from pipelines.storage import first_line, printable

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SQLITE = re.compile(r"^sqlite(?:\+\w+)?:///(?P<path>[^?]*)")
_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_CONNECT_SECONDS = 4
_LOCK_SECONDS = 30
"""Tables are made in seconds; whoever hangs while it makes them must not hang all others."""
_ACCEPTED = (
    "give sqlite:///path/mlflow.db, http(s)://host:port of an MLflow server, "
    "or a postgresql, mysql or mssql URI"
)


def resolve_uri(uri: str) -> str:
    """Make the path of a sqlite URI absolute; any other URI is returned as it is.

    Call it once, in the driver: Ray's workers have other working directories.

    Raises:
        InputError: no scheme that MLflow's client can use, or an in-memory database, which other
            processes could not see.

    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme in ("http", "https", *_DATABASE_PORTS):
        return uri
    if scheme != "sqlite":
        raise InputError(f"tracking URI {uri!r} is of no known kind; {_ACCEPTED}")
    match = _SQLITE.match(uri)
    if match is None or match["path"] in ("", ":memory:"):
        raise InputError(f"tracking URI {uri!r} names no file; give sqlite:///path/mlflow.db")
    absolute = os.path.abspath(os.path.expanduser(match["path"]))
    return uri[: match.start("path")] + absolute + uri[match.end("path") :]


def sqlite_path(uri: str) -> Path | None:
    """Return the database file of a sqlite URI, None for any other URI."""
    match = _SQLITE.match(uri)
    return Path(match["path"]) if match else None


def connect(uri: str) -> MlflowClient:
    """Open a client on a resolved URI; a new sqlite database gets its tables.

    Raises:
        InputError: nothing answers there, or the file cannot be used; within about 10 s, where
            MLflow alone would retry for minutes.

    """
    _set_client_defaults()
    path = sqlite_path(uri)
    if path is not None:
        _check_file(path, uri)
    elif uri.startswith("http"):
        _check_http(uri)
    else:
        _check_port(uri)
    from mlflow.tracking import MlflowClient  # two seconds to import, and it reads the environment

    with as_input_error(uri), _one_process_at_a_time(path), _quiet_migrations():
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def as_input_error(uri: str) -> Iterator[None]:
    """Report what MLflow refuses as one line that names the server.

    So is what the network or a disk refuses: MLflow's artifact stores let the errors of `requests`
    through, which are `OSError`s.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        hint = ""
        if "Invalid Host header" in str(error):
            hint = f"; start the server with --allowed-hosts {urlsplit(uri).netloc.split('@')[-1]}"
        raise InputError(f"MLflow at {printable(uri)}: {first_line(error)}{hint}") from error


def _set_client_defaults() -> None:
    """Set MLflow's client settings, unless the user did: short retries, and no usage reports."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def _check_file(path: Path, uri: str) -> None:
    """Find by a write transaction what MLflow would find after 100 s of retries.

    Through sqlite itself: closing the file in any other way would drop the locks that another
    thread of this process holds on it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except (OSError, sqlite3.DatabaseError) as error:
        if "locked" in str(error):  # somebody writes, so it works
            return
        raise InputError(
            f"the database of tracking URI {uri} cannot be used ({error}); give another file, "
            "in a folder that can be written"
        ) from error


def _check_http(uri: str) -> None:
    """Ask for the server's health with MLflow's own credentials, certificates and proxies."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        response = http_request(
            get_default_host_creds(uri),
            "/health",
            "GET",
            timeout=_CONNECT_SECONDS,
            max_retries=0,
            raise_on_status=False,
        )
    except MlflowException as error:
        _raise_unreachable(uri, _network_reason(error), error)
    if response.status_code >= 500:
        _raise_unreachable(uri, f"it answers {response.status_code}")


def _check_port(uri: str) -> None:
    """Connect to a database server's port."""
    parts = urlsplit(uri)
    port = parts.port or _DATABASE_PORTS[parts.scheme.partition("+")[0]]
    try:
        socket.create_connection((parts.hostname or "localhost", port), _CONNECT_SECONDS).close()
    except OSError as error:
        _raise_unreachable(uri, first_line(error), error)


def _raise_unreachable(uri: str, reason: str, error: Exception | None = None) -> NoReturn:
    raise InputError(
        f"no tracking server answers at {printable(uri)} ({reason}); start one with "
        "`mlflow server`, or give another tracking URI such as sqlite:///mlflow.db"
    ) from error


def _network_reason(error: Exception) -> str:
    """Pick the cause out of what MLflow, requests and urllib3 wrapped around it."""
    for reason in ("Connection refused", "timed out", "Name or service not known", "CERTIFICATE"):
        if reason in str(error):
            return reason.lower()
    return first_line(error)


@contextmanager
def _one_process_at_a_time(path: Path | None) -> Iterator[None]:
    """Let one process make a new database's tables; MLflow's client takes no lock for it."""
    if path is None:
        yield
        return
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        _wait_for(lock)
        yield


def _wait_for(lock: IO[str]) -> None:
    """Lock a file; go on without where that takes too long: two new runs at once are rare."""
    until = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() < until:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:  # a file system without locks
            return
        else:
            return


@contextmanager
def _quiet_migrations() -> Iterator[None]:
    """Keep a new database's first use from filling the terminal; warnings still show."""
    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
