"""Prometheus's own checks, where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def available() -> bool:
    return shutil.which("promtool") is not None


class Promtool:
    """`promtool`, which comes with Prometheus."""

    def __call__(self, *arguments: str | Path, text: str = "", lint: bool = False) -> str:
        """Run it on a text; return what it prints. With `lint`, style may be found wanting."""
        command = ["promtool", *map(str, arguments)]
        ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert ended.returncode in ((0, 3) if lint else (0,)), ended.stdout + ended.stderr
        return ended.stdout + ended.stderr
