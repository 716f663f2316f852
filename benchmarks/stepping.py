"""What both sides of the overhead benchmark have in common: the step, its batches, its clock."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Batch = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """The step that is timed."""

    size: int
    """Side of the pictures."""
    batch: int
    """Pictures of one rank."""
    warm_up: int
    """Steps before those that count."""
    steps: int
    """Steps that count."""
    cores: int = 0
    """Cores that all ranks share; 0 leaves them all."""


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """Seconds of each step that counts, of one rank."""

    wall: Sequence[float]
    """By the clock: also what other processes on the same cores cost."""
    cpu: Sequence[float]
    """Of the rank's own process, all its threads."""


class TimedBatches:
    """In-memory batches; the time between two that are taken is a step, with all around it."""

    def __init__(self, settings: StepSettings, *, rank: int) -> None:
        rng = np.random.default_rng(rank)
        shape = (settings.batch, settings.size, settings.size)
        self._batch: Batch = {
            "image": rng.integers(256, size=(*shape, 3), dtype=np.uint8),
            "hole": rng.random(shape) < 0.3,
            "decoded": np.ones(settings.batch, dtype=bool),
        }
        self._settings = settings
        self._taken: list[tuple[float, float]] = []

    def __iter__(self) -> Iterator[Batch]:
        """Yield a batch for each step, and one more, whose step is not timed.

        In training that is the run's last step, which validates and saves.
        """
        if self._settings.cores:
            keep_to(self._settings.cores)
        for _ in range(self._settings.warm_up + self._settings.steps + 1):
            self._taken.append((time.perf_counter(), time.process_time()))
            yield self._batch

    def times(self) -> StepTimes:
        """Return the length of each step that counts."""
        wall, cpu = np.diff(self._taken, axis=0)[self._settings.warm_up :].T.tolist()
        return StepTimes(wall=wall, cpu=cpu)


def keep_to(cores: int) -> None:
    """Keep all threads of this process to the first so many cores that it may use (Linux)."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), allowed)
