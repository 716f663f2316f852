"""What a training run counts and measures for Prometheus.

Each worker tells what it does, by its rank; rank 0 also what is the run's; and the command that
runs it that it is being run, so that a run whose workers are all gone can be told from none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager

from pipelines.metrics import SECONDS, Counted, Distribution, LastingGauge, Level, Metric, Spent
from pipelines.training.streams import Batch

RUN = ("run",)
RANK = ("run", "rank")

SAMPLES = Counted(
    name="isnet_train_samples_total", description="Pictures trained on, by rank.", tags=RANK
)
STEPS = Counted(
    name="isnet_train_steps_total",
    description="Steps made, by rank, those that are repeated after a rollback or restart too.",
    tags=RANK,
)
STEP_SECONDS = Distribution(
    name="isnet_train_step_seconds",
    description="Seconds of a step, without the wait for its batch.",
    tags=RANK,
    boundaries=SECONDS,
)
SPENT = Counted(
    name="isnet_train_seconds_total",
    description=(
        "Where a worker's time goes: data (waiting for a batch), step, validation, checkpoint "
        "(copying its state, and waiting for the one before)."
    ),
    tags=(*RANK, "part"),
)
UNDECODABLE = Counted(
    name="isnet_train_undecodable_rows_total",
    description="Rows that could not be decoded, for which a neighbour stood in.",
    tags=RANK,
)
LAST_STEP = Level(
    name="isnet_train_last_step_timestamp_seconds",
    description="When a rank's last step ended, in seconds since 1970.",
    tags=RANK,
)
STEP = Level(name="isnet_train_step", description="Steps the run has behind it.", tags=RUN)
PLANNED = Level(
    name="isnet_train_steps_planned", description="Steps that the run shall have.", tags=RUN
)
LOSS = Level(
    name="isnet_train_loss",
    description="Terms of the loss at the last progress line.",
    tags=("run", "term"),
)
HELD_OUT_PSNR = Level(
    name="isnet_train_held_out_psnr_db",
    description="Held-out PSNR of the last validation.",
    tags=("run", "method"),
)
ROLLBACKS = Counted(
    name="isnet_train_rollbacks_total",
    description="Returns to a checkpoint because a loss or a weight was not finite.",
    tags=RUN,
)
CHECKPOINTS = Counted(
    name="isnet_train_checkpoints_total", description="Checkpoints written.", tags=RUN
)
CHECKPOINT_SECONDS = Counted(
    name="isnet_train_checkpoint_write_seconds_total",
    description="Seconds that writing checkpoints took, beside training.",
    tags=RUN,
)
CHECKPOINT_BYTES = Counted(
    name="isnet_train_checkpoint_bytes_total", description="Bytes of checkpoints.", tags=RUN
)
ACTIVE = Level(
    name="isnet_train_active",
    description="1 while a command runs the run, whether its workers train or wait for nodes.",
    tags=RUN,
)

METRICS: tuple[Metric, ...] = (
    SAMPLES,
    STEPS,
    STEP_SECONDS,
    SPENT,
    UNDECODABLE,
    LAST_STEP,
    STEP,
    PLANNED,
    LOSS,
    HELD_OUT_PSNR,
    ROLLBACKS,
    CHECKPOINTS,
    CHECKPOINT_SECONDS,
    CHECKPOINT_BYTES,
    ACTIVE,
)


class WorkerMetrics:
    """What every worker records."""

    def __init__(self, run: str, rank: int) -> None:
        tags = {"run": run, "rank": str(rank)}
        self._samples, self._steps = SAMPLES.make(**tags), STEPS.make(**tags)
        self._step_seconds = STEP_SECONDS.make(**tags)
        self._spent = Spent(SPENT.make(**tags))
        self._undecodable = UNDECODABLE.make(**tags)
        self._last_step = LAST_STEP.make(**tags)

    def spending(self, part: str) -> AbstractContextManager[None]:
        """Count the time in a block as spent on `data`, `step`, `validation` or `checkpoint`."""
        return self._spent.on(part)

    def awaited(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass batches on, and count the time that they are waited for."""
        remaining = iter(batches)
        while True:
            with self._spent.on("data"):
                batch = next(remaining, None)
            if batch is None:
                return
            yield batch

    def stepped(self, samples: int, *, undecodable: int, seconds: float) -> None:
        """Count a step over so many of this rank's samples."""
        self._samples.inc(samples)
        self._steps.inc()
        self._step_seconds.observe(seconds)
        self._last_step.set(time.time())
        if undecodable:
            self._undecodable.inc(undecodable)

    def close(self) -> None:
        """Say nothing more."""
        self._last_step.close()


class RunMetrics:
    """What rank 0 records of the whole run."""

    def __init__(self, run: str) -> None:
        self._step, self._planned = STEP.make(run=run), PLANNED.make(run=run)
        self._loss, self._psnr = LOSS.make(run=run), HELD_OUT_PSNR.make(run=run)
        self._rollbacks = ROLLBACKS.make(run=run)
        self._checkpoints = CHECKPOINTS.make(run=run)
        self._checkpoint_seconds = CHECKPOINT_SECONDS.make(run=run)
        self._checkpoint_bytes = CHECKPOINT_BYTES.make(run=run)

    def reached(self, step: int, *, of: int) -> None:
        """Tell how far the run is."""
        self._step.set(step)
        self._planned.set(of)

    def logged(self, terms: Mapping[str, float]) -> None:
        """Tell the terms of the loss."""
        for term, value in terms.items():
            self._loss.set(value, term=term)

    def validated(self, psnr: Mapping[str, float]) -> None:
        """Tell how a validation went, by method in dB."""
        for method, value in psnr.items():
            self._psnr.set(value, method=method)

    def rolled_back(self) -> None:
        """Count a return to a checkpoint."""
        self._rollbacks.inc()

    def saved(self, *, seconds: float, size: int) -> None:
        """Count a checkpoint of so many bytes."""
        self._checkpoints.inc()
        self._checkpoint_seconds.inc(seconds)
        self._checkpoint_bytes.inc(size)

    def close(self) -> None:
        """Say nothing more."""
        for gauge in (self._step, self._planned, self._loss, self._psnr):
            gauge.close()


def active(run: str) -> LastingGauge:
    """Tell, until it is closed, that a command runs the run."""
    gauge = ACTIVE.make(run=run)
    gauge.set(1)
    return gauge
