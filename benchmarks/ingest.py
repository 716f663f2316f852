r"""Rows a second and time to first batch: the training stream against a PyTorch DataLoader.

Both read the same Parquet shards and do the same work on each row: decode, crop, flip, mask. The
consumer only touches each batch. On a laptop, in about two minutes:

    python pipelines/prepare.py --photos samples --output data/bench --size 256 \
        --crops-per-photo 96 --generated-masks 600
    python -m benchmarks.ingest --data data/bench --batches 100 --repeats 2

Prepare more photographs and leave the options as they are for figures to rely on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Any

import ray

from benchmarks.loader import build_loader
from benchmarks.measuring import (
    Report,
    check_output,
    in_turn,
    machine,
    median,
    p95,
    paired_ratio,
)
from isnet.config import InputError
from pipelines.cli import parse, run_main
from pipelines.cluster import connect
from pipelines.shards import Manifest, read_manifest
from pipelines.storage import absolute
from pipelines.training.mask_bank import MaskBank, read_mask_bank
from pipelines.training.streams import RowGroup, TrainStream, read_row_groups

PIPELINE_ROWS = 32_768
"""Rows that the stream reads before it starts anew; the loader is given no more either."""

STREAM, LOADER = "Ray Data stream", "torch DataLoader"


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """What is read, and for how long."""

    data: str
    """Prepared data set (pipelines/prepare.py)."""
    batch_size: int = 32
    """Rows of a batch."""
    workers: int = 0
    """Worker processes of the loader; 0 takes one a core."""
    tasks: int = 0
    """Tasks that the stream may run at once; 0 takes one more than the loader has workers, which is
    what training on one machine leaves it."""
    batches: int = 600
    """Batches of a measurement; a third as many before it are not counted."""
    repeats: int = 5
    """Rounds; each measures both sides."""
    output: str | None = None
    """File to write, .md or .json."""

    def __post_init__(self) -> None:
        """Reject what could not be measured."""
        for name in ("batch_size", "batches", "repeats"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")

        rows = (self.batches + 2 * self.warm_up) * self.batch_size
        if rows > PIPELINE_ROWS:
            raise InputError(
                f"batches is {self.batches}, which with warming up are {rows} rows; lower it or "
                f"batch_size: beyond {PIPELINE_ROWS} rows the stream starts another pipeline"
            )

    @property
    def warm_up(self) -> int:
        """Batches before those that count: what was made while nobody took any is used up."""
        return max(1, self.batches // 3)

    @property
    def decoders(self) -> int:
        """Decoding processes that keep the cores busy."""
        return self.workers or len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One side in one round."""

    first_s: float
    """From asking for batches to having one, in fresh processes."""
    next_s: float
    """The same again after the last batch, in processes that are there."""
    waits_s: list[float]
    """Each wait for a batch that counts."""

    def rows_per_second(self, batch_size: int) -> float:
        """Rate in the steady state."""
        return batch_size * len(self.waits_s) / sum(self.waits_s)


def main(argv: Sequence[str]) -> None:
    """Run the command line."""
    prog = "python -m benchmarks.ingest"
    config = parse(IngestConfig, argv, description=__doc__, prog=prog)
    check_output(config.output)
    measure(config).publish(config.output)


def measure(config: IngestConfig) -> Report:
    """Measure both sides in turn."""
    data = absolute(config.data)
    manifest = read_manifest(data)
    groups = read_row_groups(data, manifest, "train")
    bank = _apart(_read_bank, config, data, manifest)
    found: dict[str, list[Timing]] = {STREAM: [], LOADER: []}
    for index, side in in_turn(list(found), config.repeats):
        run = _time_stream if side == STREAM else _time_loader
        timing = _apart(run, config, groups, bank, index)
        found[side].append(timing)
        rate = timing.rows_per_second(config.batch_size)
        first = f"first batch {timing.first_s:.1f} s"
        print(f"round {index + 1}: {side} {rate:.0f} rows/s, {first}", flush=True)
    return report(config, found, size=manifest.size)


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process: neither side leaves threads or a Ray to the other."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def _read_bank(config: IngestConfig, data: str, manifest: Manifest) -> MaskBank:
    connect(num_cpus=config.decoders)
    return read_mask_bank(data, manifest, "train", size=manifest.size)


def _stream(
    config: IngestConfig, groups: Sequence[RowGroup], masks: ray.ObjectRef, seed: int
) -> TrainStream:
    return TrainStream(
        row_groups=groups,
        masks=masks,
        batch_size=config.batch_size,
        rank=0,
        world_size=1,
        seed=seed,
    )


def _time_stream(
    config: IngestConfig, groups: Sequence[RowGroup], bank: MaskBank, seed: int
) -> Timing:
    connect(num_cpus=config.tasks or config.decoders + 1)
    stream = _stream(config, groups, ray.put(bank), seed)
    return _time(config, lambda: stream.batches(0, _steps(config)))


def _time_loader(
    config: IngestConfig, groups: Sequence[RowGroup], bank: MaskBank, seed: int
) -> Timing:
    # The plan is the stream's, so that both read the same rows.
    stream = _stream(config, groups, ray.ObjectRef.nil(), seed)
    units, _ = stream.plan(0, _steps(config))
    loader = build_loader(
        units, bank, seed=seed, batch_size=config.batch_size, workers=config.decoders
    )
    return _time(config, lambda: iter(loader))


def _steps(config: IngestConfig) -> int:
    """Batches that are planned: as many after those that count as before, or the work runs out."""
    return config.batches + 2 * config.warm_up


def _time(config: IngestConfig, start: Callable[[], Iterator[dict[str, Any]]]) -> Timing:
    """Wait for a first batch, in the steady state, and for the first batch after the last."""
    batches, first = _start(start)
    for batch in islice(batches, config.warm_up - 1):
        _touch(batch)
    waits = []
    before = time.perf_counter()
    for batch in islice(batches, config.batches):
        _touch(batch)
        now = time.perf_counter()
        waits.append(now - before)
        before = now
    for batch in batches:
        _touch(batch)
    _, again = _start(start)
    return Timing(first_s=first, next_s=again, waits_s=waits)


def _start(start: Callable[[], Iterator[dict[str, Any]]]) -> tuple[Iterator[dict[str, Any]], float]:
    """Wait for a first batch; return where the others come from, and the seconds."""
    began = time.perf_counter()
    batches = start()
    _touch(next(batches))
    return batches, time.perf_counter() - began


def _touch(batch: dict[str, Any]) -> int:
    """Look at a batch here and there: what nobody reads may never be copied."""
    return sum(int(batch[name][:, ::16, ::16].sum()) for name in ("image", "hole"))


def report(config: IngestConfig, found: dict[str, list[Timing]], *, size: int) -> Report:
    """Lay the measurements out."""
    rates = {
        side: [timing.rows_per_second(config.batch_size) for timing in timings]
        for side, timings in found.items()
    }
    rows = []
    for side, timings in found.items():
        waits = [wait for timing in timings for wait in timing.waits_s]
        first = [timing.first_s for timing in timings]
        rows.append(
            [
                side,
                f"{median(rates[side]):,.0f}",
                f"{median(rates[side]) / config.decoders:,.0f}",
                f"{median(waits) * 1e3:.1f} / {p95(waits) * 1e3:.1f}",
                f"{median(first):.1f} / {p95(first):.1f}",
                f"{median([timing.next_s for timing in timings]):.1f}",
            ]
        )
    ratio = paired_ratio(rates[STREAM], rates[LOADER])
    tasks = config.tasks or config.decoders + 1
    settings = asdict(config) | {"workers": config.decoders, "tasks": tasks, "size": size}
    return Report(
        title="Ingest",
        machine=machine(),
        settings={n: v for n, v in settings.items() if n not in ("data", "output")},
        headers=[
            "",
            "rows/s",
            "rows/s per core",
            "wait for a batch, ms, median / p95",
            "first batch, s, median / p95",
            "first batch later, s",
        ],
        rows=rows,
        figures={side: [asdict(timing) for timing in timings] for side, timings in found.items()},
        notes=[f"Rows/s of the stream over the DataLoader's, median of the rounds: {ratio:.2f}."],
    )


if __name__ == "__main__":
    run_main(main)
