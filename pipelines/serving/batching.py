"""Passes over regions of many requests at once.

Regions share a pass where it computes tiles of one size of them, which may change from pass to
pass. Between two passes those that are finished leave, and new ones join: nobody waits for a batch
to fill up, or for the longest of a batch to end. Sizes take turns, so that a large picture with
many passes does not keep small ones waiting for all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from isnet.progress import Progress, advance
from isnet.reconstruction import Generator
from isnet.tiles import MAX_PIXELS
from pipelines.serving.metrics import ModelMetrics

_MOST_FAILURES = 3
"""After so many failed passes in a row the fault is not in the pictures: a GPU may be lost."""


@dataclass(frozen=True, kw_only=True)
class PassMade:
    """A region after a pass."""

    fill: np.ndarray
    passes: int
    finished: bool
    hole_ratio: float
    queue_seconds: float
    """From arriving to the first pass."""
    model_seconds: float
    """Since the first pass began."""


@dataclass(eq=False, kw_only=True)
class _Entry:
    """A region on its way."""

    generator: Generator
    progress: Progress
    every_pass: bool
    arrived: float
    made: asyncio.Queue[PassMade | BaseException] = field(default_factory=asyncio.Queue)
    started: float | None = None
    turn: int = 0
    """When regions of its size, as it is now, were last seen to."""

    def joins(self, other: _Entry) -> bool:
        """Whether both fit into one pass."""
        return (
            self.generator is other.generator
            and self.progress.padded_size == other.progress.padded_size
        )


class PassBatcher:
    """Makes passes in a thread: size by size in turn, of each size the oldest regions first."""

    def __init__(self, *, max_batch: int, max_pixels: int, metrics: ModelMetrics) -> None:
        """Start idle.

        Args:
            max_batch: most regions in a pass.
            max_pixels: most pixels that the network sees at a time, of several regions; never more
                than `MAX_PIXELS`. One tile always fits.
            metrics: where batch sizes, passes and times are recorded.

        """
        self._max_batch = max_batch
        self._max_pixels = min(max_pixels, MAX_PIXELS)
        self._metrics = metrics
        self._entries: list[_Entry] = []
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "passes")
        self._worker: asyncio.Task[None] | None = None
        self._turn = 0
        self._failures = 0

    @property
    def healthy(self) -> bool:
        """Whether passes are still being made, and not all of the last ones have failed."""
        working = self._worker is None or not self._worker.done()
        return working and self._failures < _MOST_FAILURES

    async def run(
        self, generator: Generator, progress: Progress, *, every_pass: bool
    ) -> AsyncGenerator[PassMade]:
        """Take a region through its passes; yield each, or only the last one.

        Leaving the iteration takes the region out before its next pass.
        """
        entry = _Entry(
            generator=generator,
            progress=progress,
            every_pass=every_pass,
            arrived=time.perf_counter(),
        )
        entry.turn = self._turn_of(entry)
        self._entries.append(entry)
        self._wake.set()
        self._worker = self._worker or asyncio.get_running_loop().create_task(self._work())
        try:
            while True:
                made = await entry.made.get()
                if isinstance(made, BaseException):
                    raise made
                yield made
                if made.finished:
                    return
        finally:
            if entry in self._entries:
                self._entries.remove(entry)

    def _turn_of(self, entry: _Entry) -> int:
        """Give who comes the turn of its size, else the last: newcomers are not always first."""
        turns = (other.turn for other in self._entries if other.joins(entry))
        return max(turns, default=self._turn)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            batch = self._next_batch()
            idle = [entry for entry in self._entries if entry not in batch]
            self._metrics.waiting.set(sum(entry.started is None for entry in idle))
            if not batch:
                self._wake.clear()
                continue
            call = loop.run_in_executor(self._thread, _make_pass, batch)
            await asyncio.wait([call])
            self._hand_out(batch, call)

    def _next_batch(self) -> list[_Entry]:
        """Take the size that has waited longest for a turn, and the oldest regions of it."""
        if not self._entries:
            return []
        first = min(self._entries, key=lambda entry: entry.turn)
        fitting = [entry for entry in self._entries if entry.joins(first)]
        self._turn += 1
        for entry in fitting:
            entry.turn = self._turn
        height, width = first.progress.padded_size
        room = max(1, self._max_pixels // (height * width))
        return fitting[: min(room, self._max_batch)]

    def _hand_out(
        self, batch: Sequence[_Entry], call: asyncio.Future[list[PassMade | None]]
    ) -> None:
        """Tell those who wait what the pass made of their regions."""
        error = call.exception()
        self._failures = 0 if error is None else self._failures + 1
        if error is not None:
            for entry in batch:
                entry.made.put_nowait(error)
                if entry in self._entries:
                    self._entries.remove(entry)
            return
        self._metrics.passed(len(batch))
        for entry, made in zip(batch, call.result(), strict=True):
            if made is not None:
                entry.made.put_nowait(made)
                if made.finished and entry in self._entries:
                    self._entries.remove(entry)
                    self._metrics.waited(made.queue_seconds)
                    self._metrics.filled(passes=made.passes, seconds=made.model_seconds)


def _make_pass(batch: Sequence[_Entry]) -> list[PassMade | None]:
    """Make a pass, in the thread; nothing for whoever wants to see the last pass only."""
    now = time.perf_counter()
    for entry in batch:
        entry.started = entry.started or now
    advance(batch[0].generator, [entry.progress for entry in batch])
    return [
        _describe(entry) if entry.every_pass or entry.progress.finished else None for entry in batch
    ]


def _describe(entry: _Entry) -> PassMade:
    assert entry.started is not None
    return PassMade(
        fill=entry.progress.fill(),
        passes=entry.progress.passes,
        finished=entry.progress.finished,
        hole_ratio=entry.progress.hole_ratio,
        queue_seconds=entry.started - entry.arrived,
        model_seconds=time.perf_counter() - entry.started,
    )
