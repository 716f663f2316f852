"""Signals that ask a process to end: SIGTERM from schedulers, SIGINT from a terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM
"""What a process that SIGTERM has ended exits with."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let a first SIGTERM raise `Terminated` as SIGINT raises `KeyboardInterrupt`."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may have handlers
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, previous)
        raise Terminated

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def on_first_signal(
    numbers: Sequence[signal.Signals], action: Callable[[], None]
) -> Iterator[None]:
    """Call `action` from a thread on the first of some signals; a second one does as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        restore()
        # Not from the handler itself, which may have interrupted a call into Ray.
        threading.Thread(target=action, daemon=True).start()

    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        restore()
