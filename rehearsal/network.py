"""The network between the hosts: a switch that cables can be pulled from."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

_PREFIX = "10.77.0"
DESK = f"{_PREFIX}.254"
"""Address of the process that directs the rehearsal, as a user's own machine."""

ADDRESSES = {
    "head": f"{_PREFIX}.1",
    "mlflow": f"{_PREFIX}.2",
    "storage": f"{_PREFIX}.3",
    "worker-1": f"{_PREFIX}.11",
    "worker-2": f"{_PREFIX}.12",
    "guest": f"{_PREFIX}.13",
}
"""Every host there may be. Names lead to these addresses on each of them, and at the desk."""

_BRIDGE = "switch"


def hosts_file() -> str:
    """What /etc/hosts says on every host."""
    lines = [f"{address} {name}" for name, address in ADDRESSES.items()]
    return "\n".join(["127.0.0.1 localhost", f"{DESK} desk", *lines]) + "\n"


def build_switch() -> None:
    """Make the switch, in this process's own network, with the desk on it."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", _BRIDGE, "type", "bridge")
    _ip("address", "add", f"{DESK}/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")


def connect(name: str, pid: int) -> None:
    """Lay a cable from the switch to the network of a process, and bring that one up."""
    ours, inside = f"to-{name}", ("nsenter", "--target", str(pid), "--net")
    # A host that lost its power may have left one, for as long as anything is in its network.
    subprocess.run(["ip", "link", "delete", ours], capture_output=True, check=False)
    _ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    _ip("link", "set", ours, "master", _BRIDGE, "up")
    for words in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{ADDRESSES[name]}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
    ):
        _ip(*words, prefix=inside)


def cut(name: str) -> None:
    """Pull the cable of a host: it goes on, but nobody reaches it, nor it anybody."""
    _ip("link", "set", f"to-{name}", "down")


def heal(name: str) -> None:
    """Put the cable of a host back."""
    _ip("link", "set", f"to-{name}", "up")


def _ip(*words: str, prefix: Sequence[str] = ()) -> None:
    done = subprocess.run([*prefix, "ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
