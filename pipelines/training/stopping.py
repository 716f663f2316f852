"""SIGTERM to the driver: the workers write one last checkpoint, then the run ends.

The driver's handler tells an actor; rank 0 looks at the actor from a thread of its own.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_LOOK_EVERY_S = 2.0
_DEAF_AFTER_S = 5.0

EXIT_CODE = 128 + signal.SIGTERM
"""What a process that SIGTERM has ended exits with."""


@ray.remote(num_cpus=0)
class StopSignal:
    """Whether the run was asked to end."""

    def __init__(self) -> None:
        self._requested, self._looked_at = False, -math.inf

    def request(self) -> bool:
        """Ask the run to end; return whether anyone has looked in the last seconds."""
        self._requested = True
        return time.monotonic() - self._looked_at < _DEAF_AFTER_S

    def requested(self) -> bool:
        """Whether `request` was called."""
        self._looked_at = time.monotonic()
        return self._requested


def new_stop_signal() -> ActorHandle:
    """Start a `StopSignal` on the driver's node: it is there for as long as the driver is."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    signal_class: Any = StopSignal
    actor: ActorHandle = signal_class.options(scheduling_strategy=here).remote()
    return actor


@contextmanager
def on_sigterm(stop: ActorHandle) -> Iterator[None]:
    """Turn a first SIGTERM into a request; a second one ends the process as ever.

    While no worker runs (they wait for room, or for a lost node) there is nothing to save, and the
    first one ends the process, too.

    Raises:
        SystemExit: by the handler that was there before.

    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may have handlers
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, previous)
        # Not from the handler itself, which may have interrupted a call into Ray.
        threading.Thread(target=ask, daemon=True).start()

    def ask() -> None:
        remote: Any = stop
        if ray.get(remote.request.remote()):
            print("SIGTERM: writing one last checkpoint; a second one ends it at once", flush=True)
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


class StopListener:
    """Knows in a training process, without waiting, whether the run was asked to end."""

    def __init__(self, stop: ActorHandle) -> None:
        self._heard = threading.Event()
        self._stop: Any = stop  # its methods are remote ones, of no type
        threading.Thread(target=self._listen, name="stop-listener", daemon=True).start()

    def heard(self) -> bool:
        """Whether it was."""
        return self._heard.is_set()

    def _listen(self) -> None:
        while not self._heard.wait(_LOOK_EVERY_S):
            try:
                requested = ray.get(self._stop.requested.remote())
            except RayError:
                break  # the driver has gone, and its workers are about to
            if requested:
                self._heard.set()
