"""The commands that cluster/README.md gives: few, and the files that they change are there."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.dockerfile import ROOT
from tests.cluster.readme import README, blocks, commands, given

PATHS = ("AWS", "Google Cloud", "Hosts of your own", "MLflow without Kubernetes", "Kubernetes")


def test_commands_are_counted():
    assert commands("(umask 077; ray up 'a; b' > c) && ls | wc  # then; more") == [
        "(",
        "ray",
        "ls",
        "wc",
    ]


@pytest.mark.parametrize("heading", PATHS)
def test_a_path_has_ten_commands_or_fewer(heading: str):
    assert 5 < len(given(heading)) <= 10, given(heading)


@pytest.mark.parametrize("heading", PATHS)
def test_no_step_is_left_to_a_comment(heading: str):
    comments = re.findall(r"\s# (.*)", blocks(heading))
    assert [said for said in comments if re.search(r"\bthen\b|roles/|`", said)] == []


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_what_is_put_in_place_of_an_example_is_put_everywhere(cloud: str):
    (words,) = re.findall(
        rf"^sed -i (.* cluster/launcher/{cloud}\.yaml .*)$", README.read_text(), re.M
    )
    script, *files = shlex.split(words)
    folder = ROOT / "cluster" / "launcher"
    edited = {ROOT / name for name in files}
    assert edited == {folder / f"{cloud}.yaml", folder / "source" / f"{cloud}.yaml"}
    for path in edited:
        done = subprocess.run(["sed", script, path], check=True, capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
        assert "EXAMPLE" not in "".join(lines)


def test_the_token_is_nobody_elses_from_the_start_and_not_printed(tmp_path: Path):
    text = README.read_text() + (ROOT / "README.md").read_text()
    written = re.findall(r"^\(umask [^)]*get-auth-token[^)]*\)", text, re.MULTILINE)
    assert len(written) == text.count("get-auth-token") > 1
    (command,) = set(written)
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", "-c", command],
        env=environment | {"HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    token = tmp_path / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text().strip() not in ended.stdout + ended.stderr
