"""Waiting for something to become true."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    what: str, ready: Callable[[], object], *, seconds: float = 300, every: float = 0.5
) -> None:
    """Wait until `ready` returns something true; `what` is for the message.

    Raises:
        TimeoutError: it did not in time.

    """
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise TimeoutError(f"no {what} after {seconds:.0f} seconds")
        time.sleep(every)
