"""An endpoint that runs for as long as its command does."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from types import FrameType

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.exceptions import RayServeException
from ray.serve.schema import LoggingConfig

from isnet.config import InputError
from pipelines.cli import one_line
from pipelines.cluster import connect
from pipelines.logs import as_json
from pipelines.models import load_checkpoint, require_quantisable, settled
from pipelines.serving.application import build_application
from pipelines.serving.config import (
    TOKEN_VARIABLE,
    LocalServeConfig,
    read_tokens,
    require_tokens_unless_loopback,
)
from pipelines.serving.ingress import bound_to
from pipelines.serving.jobs.api import TRANSFER_SECONDS
from pipelines.storage import absolute
from pipelines.tracking.server import resolve_uri

_NAME = "isnet"

_GRACE_SECONDS = 10.0
"""Beyond the endpoint's own time limit, after which Serve gives a request up."""

_MISTAKE = re.compile(r"\bInputError: (.+)")
"""In the text of a replica's traceback, which is all that Serve keeps of an error."""

_log = logging.getLogger("ray.serve")


def resolve(config: LocalServeConfig) -> LocalServeConfig:
    """Make every path absolute, refuse what would be unsafe or cannot listen, say the licence.

    Raises:
        InputError: others could reach the endpoint without a token, the port is taken (a
            cluster's Serve may have it already), there is no model at the checkpoint's location,
            or it cannot have the precision.

    """
    require_tokens_unless_loopback(config.host, read_tokens(config.settings()))
    if os.environ.get("RAY_ADDRESS", "local") == "local":
        _require_free(config.host, config.port)
    location, uri = settled(config.checkpoint), resolve_uri(config.tracking_uri)
    model = load_checkpoint(location, tracking_uri=uri)  # a replica's error comes late, and long
    require_quantisable(model, precision=config.precision, backend=config.backend)
    model.say_licence()
    return config.model_copy(
        update={
            "checkpoint": location,
            "tracking_uri": uri,
            "tokens_file": _absolute(config.tokens_file),
            "jobs_folder": _absolute(config.jobs_folder),
            "job_roots": tuple(map(absolute, config.job_roots)),
        }
    )


def serve_until_interrupted(config: LocalServeConfig) -> None:
    """Start the endpoint, say where it is, and stop it on SIGINT or SIGTERM.

    Requests that are being answered then are answered.

    Raises:
        InputError: the cluster's Serve listens elsewhere, or a replica cannot start.
        KeyboardInterrupt: SIGINT before the endpoint was ready, or a second one.

    """
    local = connect(num_cpus=_logical_cpus(config), takes_jobs=config.jobs_folder is not None)
    _start_serve(config)
    try:
        _deploy(config, environment={} if local else _token())
        print(f"serving {config.checkpoint} at {_url(config)}", flush=True)
        if local:
            print(f"metrics for Prometheus at {_metrics_url()}", flush=True)
        print("Ctrl-C stops it", flush=True)
        _wait_for_signal()
        _drain(config.max_seconds)
    finally:
        serve.delete(_NAME)


def _start_serve(config: LocalServeConfig) -> None:
    """Start Serve itself, or find the one that the cluster has."""
    _log.setLevel(logging.WARNING)
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(
            host=config.host,
            port=config.port,
            request_timeout_s=_longest(config) + _GRACE_SECONDS,
        ),
        logging_config=_quiet(),
    )
    host, port = bound_to()
    if (host, port) != (config.host, config.port):
        raise InputError(
            f"Serve already listens on {host}:{port} of this cluster, for all its applications; "
            f"give --host {host} --port {port}, or end it with `serve shutdown`"
        )


def _quiet() -> LoggingConfig:
    """Let the terminal show what goes wrong; Serve's own files hold the same."""
    return LoggingConfig(log_level="WARNING", encoding="JSON" if as_json() else "TEXT")


def _longest(config: LocalServeConfig) -> float:
    """Seconds that an answer may take: of jobs, a transfer's, and all others end by themselves."""
    return max(config.max_seconds, TRANSFER_SECONDS if config.jobs_folder is not None else 0)


def _deploy(config: LocalServeConfig, *, environment: dict[str, str]) -> None:
    application = build_application(config, environment=environment)
    try:
        serve.run(application, name=_NAME, logging_config=_quiet())
    except RuntimeError as error:
        deployments = serve.status().applications[_NAME].deployments.values()
        found = [_MISTAKE.search(deployment.message) for deployment in deployments]
        mistakes = [mistake[1] for mistake in found if mistake is not None]
        if not mistakes:
            raise
        raise InputError(f"the endpoint did not start: {mistakes[0]}") from error


def _url(config: LocalServeConfig) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{config.port}"


def _metrics_url() -> str:
    """Return where the Ray of this machine exports metrics: a port that it chooses itself."""
    (node,) = ray.nodes()
    return f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"


def _token() -> dict[str, str]:
    """Return this command's token, which processes of a cluster do not inherit."""
    return {name: value for name, value in os.environ.items() if name == TOKEN_VARIABLE}


def _wait_for_signal() -> None:
    """Wait for SIGINT or SIGTERM; the next one does what it did before."""
    stop = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    stop.wait()


def _drain(seconds: float) -> None:
    """Have the ingress replicas answer what they have begun, and take no more."""
    try:
        serve.get_app_handle(_NAME).broadcast("drain").results(timeout_s=seconds)
    except (RayError, RayServeException, TimeoutError) as error:
        _log.warning("not every request was answered: %s", one_line(error))


def _logical_cpus(config: LocalServeConfig) -> int:
    """Cores for a Ray of this machine: all replicas, however few cores there really are."""
    models = config.max_model_replicas or config.model_replicas
    ingresses = config.max_ingress_replicas or config.ingress_replicas
    endpoint = models * config.model_cpus + ingresses
    if config.jobs_folder is None:
        return endpoint
    # One more for what looks at the pictures before they are filled.
    return endpoint + config.max_running_jobs * (config.job_actors * config.job_cpus + 1)


def _absolute(location: str | None) -> str | None:
    return None if location is None else absolute(location)


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
