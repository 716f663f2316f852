"""An endpoint that runs for as long as its command does."""

from __future__ import annotations

import logging
import signal
import socket
import threading

from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.schema import LoggingConfig

from isnet.config import InputError
from pipelines.cluster import connect
from pipelines.models import load_checkpoint
from pipelines.serving.application import build_application
from pipelines.serving.config import (
    LocalServeConfig,
    read_tokens,
    require_tokens_unless_loopback,
)
from pipelines.storage import absolute
from pipelines.tracking.registry import is_registered
from pipelines.tracking.server import resolve_uri

_NAME = "isnet"

_QUIET = LoggingConfig(log_level="WARNING")
"""The terminal shows what goes wrong; Serve's own files hold the same."""

_GRACE_SECONDS = 10.0
"""Beyond the endpoint's own time limit, after which Serve gives a request up."""


def resolve(config: LocalServeConfig) -> LocalServeConfig:
    """Make every path absolute, and refuse what would be unsafe or cannot listen.

    Raises:
        InputError: others could reach the endpoint without a token, the port is taken, or there
            is no model at the checkpoint's location.

    """
    require_tokens_unless_loopback(config.host, read_tokens(config.settings()))
    _require_free(config.host, config.port)
    location, uri = config.checkpoint, resolve_uri(config.tracking_uri)
    if not is_registered(location):
        location = absolute(location)
    load_checkpoint(location, tracking_uri=uri)  # a replica's error would come late, and long
    tokens = None if config.tokens_file is None else absolute(config.tokens_file)
    return config.model_copy(
        update={"checkpoint": location, "tracking_uri": uri, "tokens_file": tokens}
    )


def serve_until_interrupted(config: LocalServeConfig) -> None:
    """Start the endpoint, say where it is, and stop it on SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    connect(num_cpus=_logical_cpus(config))
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(
            host=config.host,
            port=config.port,
            request_timeout_s=config.max_seconds + _GRACE_SECONDS,
        ),
        logging_config=_QUIET,
    )
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.run(build_application(config), name=_NAME, logging_config=_QUIET)
    try:
        print(f"serving {config.checkpoint} at http://{config.host}:{config.port}", flush=True)
        print("Ctrl-C stops it", flush=True)
        stop.wait()
    finally:
        serve.delete(_NAME)  # lets requests that are on their way end


def _logical_cpus(config: LocalServeConfig) -> int:
    """Cores for a Ray of this machine: all replicas, however few cores there really are."""
    models = config.max_model_replicas or config.model_replicas
    ingresses = config.max_ingress_replicas or config.ingress_replicas
    return models * config.model_cpus + ingresses


def _require_free(host: str, port: int) -> None:
    """Say that a port is taken before Ray takes its time to start."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port"
        ) from error
