"""Mounts of a test's own: a small disk, a folder that one process does not see."""

from __future__ import annotations

import os
import shutil
import subprocess


def in_own_mounts(*command: str) -> list[str]:
    """Run a command that may mount file systems which nobody else sees."""
    return ["unshare", "--mount", *command]


def can_mount() -> bool:
    """Whether this user may: root, where the machine allows it."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    mounting = in_own_mounts("mount", "-t", "tmpfs", "tmpfs", "/mnt")
    return subprocess.run(mounting, check=False, capture_output=True).returncode == 0
