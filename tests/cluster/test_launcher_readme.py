"""The commands that cluster/README.md gives for the launcher."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

from tests.cluster.dockerfile import ROOT

README = ROOT / "cluster" / "README.md"


def test_the_token_is_nobody_elses_from_the_start_and_not_printed(tmp_path: Path):
    text = README.read_text() + (ROOT / "README.md").read_text()
    commands = re.findall(r"^\(umask [^)]*get-auth-token[^)]*\)", text, re.MULTILINE)
    assert len(commands) == text.count("get-auth-token") > 1
    (command,) = set(commands)
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
