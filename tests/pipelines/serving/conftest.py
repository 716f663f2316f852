"""What tests of the endpoint share."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import ROOT

ALERTS = ROOT / "cluster" / "prometheus" / "serve-alerts.yaml"


class Promtool(Protocol):
    """Prometheus's own checks."""

    def __call__(self, *arguments: str | Path, text: str = "", lint: bool = False) -> str:
        """Run it on a text; return what it prints. With `lint`, style may be found wanting."""


@pytest.fixture
def promtool() -> Promtool:
    if not shutil.which("promtool"):
        pytest.skip("no promtool (it comes with Prometheus) on the PATH")

    def run(*arguments: str | Path, text: str = "", lint: bool = False) -> str:
        command = ["promtool", *map(str, arguments)]
        ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert ended.returncode in ((0, 3) if lint else (0,)), ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return run
