"""Serve's port between replicas, kept to this machine.

Every replica also listens for calls by value, which this endpoint does not use. Serve binds that
port to all interfaces, whatever its host, and unpickles what anybody sends there: whoever could
reach it could run code.
"""

from __future__ import annotations

from typing import Any

from ray.serve._private import replica as serves_replica

_EVERYWHERE = "[::]"


def keep_to_loopback() -> None:
    """Let this process's replica listen on loopback; to be called while it is constructed."""
    module: Any = serves_replica
    bind = module.add_port_to_grpc_server

    def bind_to_loopback(server: Any, address: str) -> Any:
        return bind(server, address.replace(_EVERYWHERE, "127.0.0.1"))

    module.add_port_to_grpc_server = bind_to_loopback
