"""The commands of docs/operations.md bring MLflow's database back, on a real PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import postgres
from tests.cluster.dockerfile import ROOT

HERE = 'database() { "$@"; }'
"""Instead of those that reach into a container: this machine's programs, by their variables."""


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    if postgres.PROGRAMS is None:
        pytest.skip("no PostgreSQL (Debian: apt install postgresql)")
    with postgres.serve("secret") as running:
        yield running


def commands() -> list[str]:
    """The blocks of the section: ways to reach the programs, a backup, a restoration."""
    text = (ROOT / "docs" / "operations.md").read_text()
    (section,) = re.findall(r"^## Backup and restore\n(.*?)^## ", text, re.M | re.S)
    return re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)


def run(server: postgres.Postgres, folder: Path, script: str) -> str:
    """What a shell prints that reaches the server."""
    environment = os.environ | {
        "PATH": f"{postgres.PROGRAMS}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGPASSWORD": "secret",
    }
    words = ["bash", "-euc", f"{HERE}\n{script}"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sql(statement: str) -> str:
    return f"psql --username mlflow --no-align --tuples-only --command '{statement}' mlflow"


def test_every_way_to_reach_the_database_is_a_function_of_that_name():
    ways, *_ = commands()
    assert all(line.startswith("database() { ") for line in ways.splitlines())
    subprocess.run(["bash", "-nc", ways], check=True)


def test_what_was_lost_comes_back_and_what_came_later_goes(
    server: postgres.Postgres, tmp_path: Path
):
    _, backup, restoration = commands()
    run(server, tmp_path, sql("CREATE TABLE runs AS SELECT 7 AS step"))
    run(server, tmp_path, backup)
    run(server, tmp_path, sql("DELETE FROM runs; CREATE TABLE later (step int)"))
    run(server, tmp_path, restoration)
    assert run(server, tmp_path, sql("SELECT step FROM runs")) == "7\n"
    assert run(server, tmp_path, sql("SELECT to_regclass($$later$$)")) == "\n"


def test_an_empty_server_takes_a_backup(server: postgres.Postgres, tmp_path: Path):
    """As on a new volume, where the image has made an empty database."""
    _, backup, restoration = commands()
    run(server, tmp_path, sql("CREATE TABLE runs AS SELECT 7 AS step"))
    run(server, tmp_path, backup)
    run(server, tmp_path, "dropdb --username mlflow mlflow")
    run(server, tmp_path, restoration)
    assert run(server, tmp_path, sql("SELECT step FROM runs")) == "7\n"
