"""Connecting an entry point to Ray: a cluster when there is one, else this machine alone."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import ray
from ray._private import parameter
from ray.data import DataContext
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.exceptions import AuthenticationError

from isnet.config import InputError
from pipelines import logs
from pipelines.storage import inside_ray_job

if TYPE_CHECKING:
    from ray.data._internal.execution.streaming_executor import StreamingExecutor

_REPEATED = (
    "ray.data.exceptions",
    "ray.data._internal.execution.streaming_executor_state",
    "ray.data._internal.progress",
)
"""Loggers of Ray Data that only repeat what is raised or was asked for."""

_STEP_SECONDS = 0.02
"""Fifty steps a second, each of which takes in all blocks that are ready and starts tasks anew."""


def connect(
    *, num_cpus: int | None = None, show_workers: bool = True, takes_jobs: bool = False
) -> bool:
    """Connect to Ray, once per process.

    Attaches to the cluster that `RAY_ADDRESS` names, which a submitted job always has; otherwise
    starts Ray on this machine: reachable from this machine only, with a token that no other
    process knows, without a dashboard unless jobs are to be submitted to it.

    Args:
        num_cpus: logical CPUs of a Ray that is started here. Data tasks need CPUs beside the
            training workers, so a small machine may declare more than it has. Ignored when
            attaching.
        show_workers: whether what workers print is shown here, too.
        takes_jobs: whether a Ray that is started here has a dashboard, which takes jobs from
            whoever holds its token.

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
        _start_local(num_cpus, show_workers, takes_jobs)
        local = True
    quiet_data()
    logs.set_up()
    return local


def _attach(address: str, show_workers: bool) -> None:
    """Connect to the cluster that `RAY_ADDRESS` names."""
    none = f"no Ray cluster answers at RAY_ADDRESS={address}"
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
    except OSError as error:
        raise InputError(f"{none}; {advice}") from error
    try:
        ray.init(logging_level=logging.WARNING, log_to_driver=show_workers)
    except (ConnectionError, AuthenticationError) as error:
        raise InputError(
            f"{none}, or it wants another token than this command's: RAY_AUTH_MODE=token, and "
            f"RAY_AUTH_TOKEN_PATH with the file that has it. Otherwise {advice}"
        ) from error


def _start_local(num_cpus: int | None, show_workers: bool, takes_jobs: bool) -> None:
    """Start Ray for this process and its workers alone."""
    _keep_to_loopback()
    _keep_to_ourselves()
    # Nobody preempts a laptop, and the watcher prints an error about itself.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    with _any_port():
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=takes_jobs,
            dashboard_host="127.0.0.1",
            log_to_driver=show_workers,
            logging_level=logging.WARNING,
            runtime_env={"worker_process_setup_hook": "pipelines.local_worker.set_up"},
        )


@contextmanager
def _any_port() -> Iterator[None]:
    """Let the agent that begins jobs listen on a free port.

    Ray gives it a fixed one, without another Ray of this machine having a say, and without a way
    to ask for another: the second of two Rays could begin no job.
    """
    module: Any = parameter
    given = module.RayParams
    module.RayParams = partial(given, dashboard_agent_listen_port=0)
    try:
        yield
    finally:
        module.RayParams = given


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
    # Unset, Ray asks for the token, and lets this process know, too. Whatever the user's shell
    # says: a dashboard runs code for whoever it lets in.
    os.environ.pop("RAY_AUTH_MODE", None)
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


def rest_between_steps() -> None:
    """Have Ray Data's loop in this process make fifty steps a second and no more, from now on.

    While its consumer has enough, the loop has nothing to wait for and goes round and round: half
    a core, and the interpreter's lock half of the time, taken from the training beside it. Ray
    calls `custom_execution_callback_classes` after each step; what they are made of is private.
    """
    classes = DataContext.get_current().custom_execution_callback_classes
    if _Rest not in classes:
        classes.append(_Rest)


class _Rest(ExecutionCallback):
    """Sleeps after steps of the loop that took no time, in which it waited for nothing."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        time.sleep(max(0.0, self._last + _STEP_SECONDS - time.monotonic()))
        self._last = time.monotonic()
