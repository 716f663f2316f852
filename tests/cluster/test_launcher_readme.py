"""The commands that cluster/README.md gives for the launcher."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.dockerfile import ROOT

README = ROOT / "cluster" / "README.md"


def token_commands() -> set[str]:
    texts = [README.read_text(), (ROOT / "README.md").read_text()]
    return {
        line for text in texts for line in re.findall(r"^.*get-auth-token.*?(?=  +#|$)", text, re.M)
    }


@pytest.mark.parametrize("command", sorted(token_commands()))
def test_the_token_is_nobody_elses_from_the_start_and_not_printed(command: str, tmp_path: Path):
    watched = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    ended = subprocess.run(
        ["bash", "-c", command], env=watched, check=True, capture_output=True, text=True
    )
    token = tmp_path / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text().strip() not in ended.stdout + ended.stderr
