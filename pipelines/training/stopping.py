"""SIGTERM to the driver: the workers write one last checkpoint, then the run ends.

The driver's handler tells an actor; rank 0 looks at the actor from a thread of its own.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

_LOOK_EVERY_S = 0.5

EXIT_CODE = 128 + signal.SIGTERM
"""What a process that SIGTERM has ended exits with."""


@ray.remote(num_cpus=0)
class StopSignal:
    """Whether the run was asked to end."""

    def __init__(self) -> None:
        self._requested = False

    def request(self) -> None:
        """Ask the run to end."""
        self._requested = True

    def requested(self) -> bool:
        """Whether `request` was called."""
        return self._requested


@contextmanager
def on_sigterm(stop: ActorHandle) -> Iterator[None]:
    """Turn a first SIGTERM into a request; a second one ends the process as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may have handlers
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, previous)
        print("SIGTERM: writing one last checkpoint; a second one ends it at once", flush=True)
        # Not from the handler itself, which may have interrupted a call into Ray.
        threading.Thread(target=stop.request.remote, daemon=True).start()

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
