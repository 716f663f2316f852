"""What a bulk job counts for Prometheus: the command pictures, each process that fills its time.

A job is called by its output: `job` itself is a label of Prometheus's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from pipelines.metrics import UP_TO_16, Counted, Distribution, Level, Metric, Spent
from pipelines.storage import printable

JOB = ("bulk_job",)
FILLED = "filled"

PICTURES = Counted(
    name="isnet_bulk_pictures_total",
    description="Pictures tried, by outcome: filled, or the reason why it could not be.",
    tags=(*JOB, "outcome"),
)
LEFT = Level(
    name="isnet_bulk_pictures_left",
    description="Pictures that no start of the job has tried; gone once its command has ended.",
    tags=JOB,
)
MEASURED = Counted(
    name="isnet_bulk_measured_total",
    description="Pictures whose size was found, before the first is filled.",
    tags=JOB,
)
SPENT = Counted(
    name="isnet_bulk_seconds_total",
    description=(
        "Where the time of processes that fill goes: read (waiting for pictures), model, write "
        "(waiting for results to be written)."
    ),
    tags=(*JOB, "part"),
)
PASSES = Counted(
    name="isnet_bulk_passes_total", description="Passes of the network over a batch.", tags=JOB
)
BATCH_SIZE = Distribution(
    name="isnet_bulk_batch_size",
    description="Regions in one pass.",
    tags=JOB,
    boundaries=UP_TO_16,
)

METRICS: tuple[Metric, ...] = (PICTURES, LEFT, MEASURED, SPENT, PASSES, BATCH_SIZE)


class JobMetrics:
    """What the command records."""

    def __init__(self, output: str) -> None:
        job = printable(output)
        self._pictures, self._measured = PICTURES.make(bulk_job=job), MEASURED.make(bulk_job=job)
        self._left = LEFT.make(bulk_job=job)

    def measured(self, pictures: int) -> None:
        """Count pictures whose size was found."""
        self._measured.inc(pictures)

    def tried(self, filled: int, reasons: Mapping[str, int]) -> None:
        """Count pictures that are filled, and those that could not be, by reason."""
        for outcome, count in {FILLED: filled, **reasons}.items():
            if count > 0:
                self._pictures.inc(count, {"outcome": outcome})

    def left(self, pictures: int) -> None:
        """Tell how many wait."""
        self._left.set(pictures)

    def close(self) -> None:
        """Say nothing more."""
        self._left.close()


class FillerMetrics:
    """What each process that fills records."""

    def __init__(self, output: str) -> None:
        job = printable(output)
        self._spent = Spent(SPENT.make(bulk_job=job))
        self._passes, self._batch_size = PASSES.make(bulk_job=job), BATCH_SIZE.make(bulk_job=job)

    def spending(self, part: str) -> AbstractContextManager[None]:
        """Count the time in a block as spent on `read`, `model` or `write`."""
        return self._spent.on(part)

    def passed(self, regions: int) -> None:
        """Count a pass over so many regions."""
        self._passes.inc()
        self._batch_size.observe(regions)
