"""The process that directs: in a network and with names of its own, as the hosts are."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rehearsal import network

_INSIDE = "ISNET_REHEARSAL_DESK"
_SCRIPT = f"""
mount --bind "$1" /etc/hosts && shift && export {_INSIDE}=$$
export MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false
exec "$@"
"""


def sit_down(arguments: Sequence[object], folder: Path) -> None:
    """Start this command once more, in namespaces of its own; there, return.

    What is done there touches neither the machine's own network nor its files, and all of it is
    gone with the process.

    Args:
        arguments: of the command line.
        folder: keeps the file of names.

    """
    if os.environ.get(_INSIDE) == str(os.getpid()):  # exec keeps the number
        return
    names = folder / "hosts"
    names.write_text(network.hosts_file(), encoding="utf-8")
    again = [sys.executable, "-m", "rehearsal", *map(str, arguments)]
    spaces = ["unshare", "--net", "--mount", "--"]
    os.execvp(spaces[0], [*spaces, "sh", "-c", _SCRIPT, "sh", str(names), *again])
