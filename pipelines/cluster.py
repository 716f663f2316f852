"""Connecting an entry point to Ray: a cluster when there is one, else this machine alone."""

from __future__ import annotations

import logging
import os
import secrets
import socket

import ray
from ray.data import DataContext

from isnet.config import InputError
from pipelines.storage import inside_ray_job

_REPEATED = (
    "ray.data.exceptions",
    "ray.data._internal.execution.streaming_executor_state",
    "ray.data._internal.progress",
)
"""Loggers of Ray Data that only repeat what is raised or was asked for."""


def connect(*, num_cpus: int | None = None, show_workers: bool = True) -> bool:
    """Connect to Ray, once per process.

    Attaches to the cluster that `RAY_ADDRESS` names, which a submitted job always has; otherwise
    starts Ray on this machine: reachable from this machine only, with a token that no other
    process knows, without a dashboard.

    Args:
        num_cpus: logical CPUs of a Ray that is started here. Data tasks need CPUs beside the
            training workers, so a small machine may declare more than it has. Ignored when
            attaching.
        show_workers: whether what workers print is shown here, too.

    Returns:
        Whether Ray was started here, for this process alone.

    Raises:
        InputError: `RAY_ADDRESS` names a cluster that does not answer.

    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = False
    if ray.is_initialized():
        pass  # a caller's, a notebook's or a test's: used as it is
    elif inside_ray_job():
        ray.init(logging_level=logging.WARNING, log_to_driver=show_workers)
    elif os.environ.get("RAY_ADDRESS", "local") != "local":
        _attach(os.environ["RAY_ADDRESS"], show_workers)
    else:
        _start_local(num_cpus, show_workers)
        local = True
    quiet_data()
    return local


def _attach(address: str, show_workers: bool) -> None:
    """Connect to the cluster that `RAY_ADDRESS` names."""
    advice = "start one with `ray start --head`, or unset RAY_ADDRESS to use this machine alone"
    if address.startswith(("http://", "https://")):
        raise InputError(
            f"RAY_ADDRESS={address} is a dashboard, which takes jobs: put `ray job submit "
            "--working-dir . --` before the command, or unset RAY_ADDRESS to use this machine alone"
        )
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit() and "/" not in host:
            # Ray itself would go on trying for minutes.
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(logging_level=logging.WARNING, log_to_driver=show_workers)
    except (ConnectionError, OSError) as error:
        raise InputError(f"no Ray cluster answers at RAY_ADDRESS={address}; {advice}") from error


def _start_local(num_cpus: int | None, show_workers: bool) -> None:
    """Start Ray for this process and its workers alone."""
    _keep_to_loopback()
    _keep_to_ourselves()
    # Nobody preempts a laptop, and the watcher prints an error about itself.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    ray.init(
        address="local",
        num_cpus=num_cpus,
        include_dashboard=False,
        log_to_driver=show_workers,
        logging_level=logging.WARNING,
        runtime_env={"worker_process_setup_hook": "pipelines.local_worker.set_up"},
    )


def _keep_to_loopback() -> None:
    """Make Ray's listeners bind 127.0.0.1 only, in this process and in those it starts."""
    if os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0") == "0":
        from ray._private import ray_constants

        # Ray reads the variable at import, which `import ray.data` somewhere may have done before.
        ray_constants.ENABLE_RAY_CLUSTER = False


def _keep_to_ourselves() -> None:
    """Guard the local Ray with a token of its own.

    Left alone, Ray writes one to `~/.ray/auth_token`, which silently turns authentication on for
    every cluster that this user starts later, and says so on the terminal.
    """
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    name = "ray._private.authentication.authentication_token_setup"
    logging.getLogger(name).setLevel(logging.ERROR)


def quiet_data() -> None:
    """Leave the terminal to our own progress lines, and let errors come back as they were raised.

    Ray Data otherwise draws bars, wraps what a task raised in an exception that has lost its
    cause, and prints that failure a second and third time. Also called by Train workers, whose
    settings are their own.
    """
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    for name in _REPEATED:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def keep_order() -> None:
    """Let Ray Data's blocks arrive in the order of the input, not as tasks happen to finish."""
    DataContext.get_current().execution_options.preserve_order = True
