"""Serve's port between replicas, kept to this machine.

Every replica also listens for calls by value, which this endpoint does not use. Serve binds that
port to all interfaces, whatever its host, and unpickles what anybody sends there: whoever could
reach it could run code.
"""

from __future__ import annotations

from typing import Any

from ray._common.tls_utils import add_port_to_grpc_server
from ray.serve._private import replica


def keep_to_loopback() -> None:
    """Let this process's replica listen on loopback; to be called while it is constructed."""
    module: Any = replica
    assert hasattr(module, "add_port_to_grpc_server"), "this Ray binds the port in another way"
    module.add_port_to_grpc_server = _bind


def _bind(server: Any, address: str) -> Any:
    return add_port_to_grpc_server(server, address.replace("[::]", "127.0.0.1"))
