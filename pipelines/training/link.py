"""What the driver and rank 0 tell each other while a run goes on, through an actor between them.

The driver asks the run to end: on SIGTERM the workers write one last checkpoint. Rank 0, which
looks at the actor from a thread of its own, tells how its validations went.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipelines.signals import on_first_signal

_LOOK_EVERY_S = 2.0
_DEAF_AFTER_S = 5.0

Curve = list[tuple[int, float]]
"""Validations, oldest first: step, and held-out PSNR of the progressive reconstruction in dB."""


@ray.remote(num_cpus=0)
class Link:
    """Whether the run was asked to end, and its validations so far."""

    def __init__(self) -> None:
        self._requested, self._looked_at = False, -math.inf
        self._curve: Curve = []

    def request_stop(self) -> bool:
        """Ask the run to end; return whether anyone has looked in the last seconds."""
        self._requested = True
        return time.monotonic() - self._looked_at < _DEAF_AFTER_S

    def stop_requested(self) -> bool:
        """Whether `request_stop` was called."""
        self._looked_at = time.monotonic()
        return self._requested

    def tell(self, curve: Curve) -> None:
        """Take the whole curve: a run that went back to a checkpoint repeats what came after."""
        self._curve = curve

    def curve(self) -> Curve:
        """Return what was told last."""
        return self._curve


def new_link() -> ActorHandle:
    """Start a `Link` on the driver's node: it is there for as long as the driver is."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    link_class: Any = Link
    actor: ActorHandle = link_class.options(scheduling_strategy=here).remote()
    return actor


@contextmanager
def on_sigterm(link: ActorHandle) -> Iterator[None]:
    """Turn a first SIGTERM into a request; a second one ends the process as ever.

    While no worker runs (they wait for room, or for a lost node) there is nothing to save, and the
    first one ends the process, too.

    Raises:
        SystemExit: by the handler that was there before.

    """

    def ask() -> None:
        remote: Any = link
        if ray.get(remote.request_stop.remote()):
            print("SIGTERM: writing one last checkpoint; a second one ends it at once", flush=True)
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    with on_first_signal((signal.SIGTERM,), ask):
        yield


class DriverLink:
    """Rank 0's end: knows, without waiting, whether the run was asked to end."""

    def __init__(self, link: ActorHandle) -> None:
        self._heard = threading.Event()
        self._link: Any = link  # its methods are remote ones, of no type
        threading.Thread(target=self._listen, name="stop-listener", daemon=True).start()

    def stop_requested(self) -> bool:
        """Whether it was."""
        return self._heard.is_set()

    def tell(self, curve: Curve) -> None:
        """Let the driver know of the validations so far; waits for nobody."""
        self._link.tell.remote(curve)

    def _listen(self) -> None:
        while not self._heard.wait(_LOOK_EVERY_S):
            try:
                requested = ray.get(self._link.stop_requested.remote())
            except RayError:
                break  # the driver has gone, and its workers are about to
            if requested:
                self._heard.set()
