"""The commands of docs/operations.md bring the database on Kubernetes back: a real PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import postgres
from tests.cluster.kustomize import ROOT

PODS = """
kubectl() {
    [ "$3" = exec ] || return 0
    while [ "$1" != -- ]; do shift; done
    shift
    "$@"
}
"""
"""This machine's programs in the place of the pod's, which are the words behind `--`."""


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    if postgres.PROGRAMS is None:
        pytest.skip("no PostgreSQL (Debian: apt install postgresql)")
    with postgres.serve("secret") as running:
        yield running


def commands(program: str) -> list[str]:
    """The documentation's lines that call kubectl for something, without their comments."""
    text = (ROOT / "docs" / "operations.md").read_text()
    return re.findall(rf"^(kubectl -n isnet {program} .*?)(?: +#.*)?$", text, re.MULTILINE)


def run(server: postgres.Postgres, folder: Path, *lines: str) -> str:
    """What a shell prints that reaches the server."""
    environment = os.environ | {
        "PATH": f"{postgres.PROGRAMS}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGPASSWORD": "secret",
    }
    words = ["bash", "-euc", "\n".join([PODS, *lines])]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sql(statement: str) -> str:
    return f"psql --username mlflow --no-align --tuples-only --command '{statement}' mlflow"


def test_what_was_lost_comes_back_and_what_came_later_goes(
    server: postgres.Postgres, tmp_path: Path
):
    backup, *restoration = commands("exec")
    run(server, tmp_path, sql("CREATE TABLE runs AS SELECT 7 AS step"), backup)
    run(server, tmp_path, sql("DELETE FROM runs; CREATE TABLE later (step int)"))
    run(server, tmp_path, *restoration)
    assert run(server, tmp_path, sql("SELECT step FROM runs")) == "7\n"
    assert run(server, tmp_path, sql("SELECT to_regclass($$later$$)")) == "\n"


def test_mlflow_is_stopped_meanwhile_and_what_reads_a_file_has_an_open_end():
    assert [command[-1] for command in commands("scale")] == ["0", "1"]
    (reading,) = (command for command in commands("exec") if "<" in command)
    assert " --stdin " in reading
