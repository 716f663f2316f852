"""The commands of docs/operations.md that back up and restore Compose's database, as written."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster import postgres
from tests.cluster.compose import compose
from tests.cluster.dockerfile import ROOT

PASSWORD = "secret"


def given(program: str) -> list[str]:
    """The documentation's lines that begin with `docker PROGRAM`, without their comments."""
    text = (ROOT / "docs" / "operations.md").read_text()
    return re.findall(rf"^(docker {program} .*?)(?: +#.*)?$", text, re.MULTILINE)


def inside() -> list[str]:
    """What is run in the database's container."""
    name = "isnet-tracking-postgres-1"
    return [line.partition(f"{name} ")[2] for line in given("exec") if f" {name} " in line]


def test_containers_are_called_as_compose_calls_them():
    content = compose(ISNET_SECRETS="/secrets", ISNET_STORAGE="s3://bucket")
    called = {f"{content['name']}-{service}-1" for service in content["services"]}
    named = set(re.findall(r"isnet-tracking-\w+-1", "\n".join(given("(?:exec|stop|start)"))))
    assert named == called


def test_what_reads_a_file_has_an_open_end():
    reading = [line for line in given("exec") if "<" in line]
    assert reading
    assert all("exec --interactive " in line for line in reading)


@pytest.mark.skipif(postgres.PROGRAMS is None, reason="no PostgreSQL (apt install postgresql)")
def test_a_lost_database_comes_back(tmp_path: Path):
    backup, *restore = inside()
    with postgres.serve(PASSWORD) as server:
        environment = os.environ | {
            "PATH": f"{postgres.PROGRAMS}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "PGPASSWORD": PASSWORD,
        }

        def shell(command: str) -> str:
            words = ["bash", "-ec", command]
            ended = subprocess.run(
                words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
            )
            assert ended.returncode == 0, f"{command}: {ended.stderr}"
            return ended.stdout.strip()

        sql = "psql --username mlflow --dbname mlflow --tuples-only --no-align --command "
        shell(f"{sql} 'CREATE TABLE runs AS SELECT 24.5 AS psnr'")
        shell(backup)
        shell(f"{sql} 'DROP TABLE runs; CREATE TABLE runs AS SELECT 1 AS begun_anew'")
        for command in restore:
            shell(command)
        assert shell(f"{sql} 'SELECT psnr FROM runs'") == "24.5"
