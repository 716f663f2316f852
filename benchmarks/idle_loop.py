"""What Ray Data's loop costs beside a training that has enough: cores taken, rounds a second.

    python -m benchmarks.idle_loop

The consumer only sleeps, so that every second of CPU in its process is the loop's. `left alone` is
Ray's own loop, `held` the one of the training stream (`pipelines.cluster.rest_between_steps`). Each
is a process of its own, in turn; about two minutes on a laptop.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib import import_module
from multiprocessing import get_context

import numpy as np
import ray
from ray.data import DataContext, ExecutionResources
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from benchmarks.measuring import Report, check_output, in_turn, machine, median
from pipelines.cli import parse, run_main
from pipelines.cluster import connect, rest_between_steps

ALONE, HELD = "left alone", "held"

_BATCHES = 64
_BATCH_SHAPE = (8, 512, 512)
_ROOM_BYTES = 20e6
"""What Ray Data may keep ahead: a few batches, as of a training with large ones."""


@dataclass(frozen=True, kw_only=True)
class IdleLoopConfig:
    """How long is looked on, and how often."""

    step_seconds: float = 0.2
    """How long the consumer takes for a batch, as a training step would."""
    repeats: int = 3
    """Processes of each side."""
    output: str | None = None
    """File for the table, .md or .json."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a loop took in one process."""

    cores: float
    """CPU seconds a second."""
    rounds: float
    """A second."""


class _Counter(ExecutionCallback):
    """Counts the rounds of the loop in this process."""

    rounds = 0

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        type(self).rounds += 1


def main(argv: Sequence[str]) -> None:
    """Parse the command line, measure both sides in turn, and report."""
    config = parse(IdleLoopConfig, argv, description=__doc__)
    check_output(config.output)
    # By its name, under which Ray's workers find it: here it may be `__main__`.
    named = import_module("benchmarks.idle_loop")
    found: dict[str, list[Load]] = {ALONE: [], HELD: []}
    for _, side in in_turn([ALONE, HELD], config.repeats):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            found[side].append(fresh.submit(named.measure, side, config.step_seconds).result())
    report(config, found).publish(config.output)


def measure(side: str, step_seconds: float) -> Load:
    """Take batches slowly, and see what the loop does meanwhile."""
    connect(num_cpus=3)
    context = DataContext.get_current()
    context.custom_execution_callback_classes = [_Counter]
    if side == HELD:
        rest_between_steps()
    context.execution_options.resource_limits = ExecutionResources.for_limits(
        object_store_memory=_ROOM_BYTES
    )
    rows = ray.data.range(8, override_num_blocks=8).map_batches(_pictures, batch_size=1)
    batches = iter(rows.iter_batches(batch_size=_BATCH_SHAPE[0]))
    next(batches)  # the processes of Ray are there
    rounds, cpu, began = _Counter.rounds, time.process_time(), time.perf_counter()
    for _ in range(_BATCHES // 2):  # before it runs out of tasks
        next(batches)
        time.sleep(step_seconds)
    seconds = time.perf_counter() - began
    return Load(
        cores=(time.process_time() - cpu) / seconds, rounds=(_Counter.rounds - rounds) / seconds
    )


def _pictures(_: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    for _ in range(8):
        yield {"image": np.zeros(_BATCH_SHAPE, dtype=np.uint8)}


def report(config: IdleLoopConfig, found: dict[str, list[Load]]) -> Report:
    """Lay out medians over the processes."""
    rows = [
        [side, f"{median([load.cores for load in loads]):.2f}",
         f"{median([load.rounds for load in loads]):,.0f}"]
        for side, loads in found.items()
    ]  # fmt: skip
    return Report(
        title="Ray Data's loop beside a consumer that has enough",
        machine=machine(),
        settings={name: value for name, value in asdict(config).items() if name != "output"},
        headers=["the loop", "cores taken", "rounds/s"],
        rows=rows,
        figures={side: [asdict(load) for load in loads] for side, loads in found.items()},
    )


if __name__ == "__main__":
    run_main(main)
