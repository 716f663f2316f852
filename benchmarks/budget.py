r"""What training on many GPUs needs, on paper: cores, bytes a second, all-reduces, checkpoints.

The tables of docs/scaling.md, from unit costs that the other benchmarks measure. Nothing is
measured here but a checkpoint of the paper's size, in about half a minute on a laptop; leave that
out and give your own unit costs:

    python -m benchmarks.budget
    python -m benchmarks.budget --no-write --gpus 16 --rows-per-core 900 --row-bytes 30000
"""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.checkpoint_cost import Checkpoint, write_checkpoint
from benchmarks.measuring import check_output
from isnet.config import DiscriminatorConfig, GeneratorConfig
from isnet.counting import Networks, count
from pipelines.cli import parse, run_main
from pipelines.reporting.markdown import markdown_table
from pipelines.shards import ROW_GROUP
from pipelines.training.streams import RowGroup

FLOAT = 4
"""Bytes of a parameter."""
SAMPLES_PER_GPU = (50, 100, 200, 400)
GIGABITS = (10, 25, 100, 400)
NODE_MTBF_DAYS = (7, 30, 90, 365)


@dataclass(frozen=True, kw_only=True)
class BudgetConfig:
    """The cluster, the data, and the measured unit costs."""

    gpus: int = 64
    """GPUs, one a worker."""
    gpus_per_node: int = 8
    """Of them, in one machine."""
    images: int = 1_800_000
    """Rows of the training split."""
    size: int = 256
    """Side of the pictures."""
    batch_per_gpu: int = 8
    """Samples of a GPU in a step."""
    rows_per_core: float = 900.0
    """Rows/s that a core decodes, flips and masks (benchmarks.ingest)."""
    row_bytes: int = 42_000
    """Bytes of a row in the shards: their size over their rows, from manifest.json."""
    shard_mib: int = 128
    """Size of a shard."""
    masks: int = 55_116
    """Training masks: those of NVIDIA's irregular_mask.zip."""
    restart_s: float = 60.0
    """From a failure to the next step, but for the steps that are repeated."""
    write: bool = True
    """Write a checkpoint of the paper's size for its bytes and seconds."""
    output: str | None = None
    """File to write, .md."""


def main(argv: Sequence[str]) -> None:
    """Run the command line."""
    config = parse(BudgetConfig, argv, description=__doc__, prog="python -m benchmarks.budget")
    check_output(config.output)
    networks = count(GeneratorConfig(), DiscriminatorConfig(), size=config.size)
    written = write_checkpoint(GeneratorConfig()) if config.write else None
    text = "\n".join(
        [
            _inputs(config),
            work(networks),
            ingest(config, networks),
            all_reduce(config, networks),
            checkpoints(config, networks, written),
            memory(config),
        ]
    )
    print(text)
    if config.output is not None:
        Path(config.output).write_text(text)


def _inputs(config: BudgetConfig) -> str:
    given = {
        name: value for name, value in asdict(config).items() if name not in ("write", "output")
    }
    return "Inputs: " + ", ".join(f"{name} {value:,}" for name, value in given.items()) + ".\n"


def work(networks: Networks) -> str:
    """Lay out what the networks are."""
    rows = [
        [name, f"{networks.parameters[name]:,}", f"{flop / 1e9:.1f}"]
        for name, flop in networks.forward_flop.items()
    ]
    table = markdown_table(["network", "trained parameters", "forward, GFLOP an image"], rows)
    return f"{table}\nA training step is {networks.step_flop / 1e9:.0f} GFLOP a sample.\n"


def ingest(config: BudgetConfig, networks: Networks) -> str:
    """Lay out what feeding the GPUs takes, by how fast they are."""
    rows = []
    for rate in SAMPLES_PER_GPU:
        total = rate * config.gpus
        node = rate * config.gpus_per_node
        in_memory = node * row_in_memory(config.size) / 1e6
        rows.append(
            [
                str(rate),
                f"{rate * networks.step_flop / 1e12:.0f}",
                f"{rate / config.rows_per_core:.2f}",
                f"{total / config.rows_per_core:.0f}",
                f"{total * config.row_bytes / 1e6:,.0f}",
                f"{node * config.row_bytes / 1e6:.1f}",
                f"{in_memory:.0f}",
                f"{in_memory * (1 - 1 / nodes(config)):.0f}",
                f"{total / ROW_GROUP:.0f}",
                f"{config.images / total / 60:.0f}",
            ]
        )
    headers = [
        "samples/s a GPU", "TFLOP/s a GPU sustains", "decode cores a GPU", "decode cores in all",
        "storage MB/s in all", "storage MB/s a node", "object store MB/s a node",
        "MB/s a node from others", "row groups read /s", "minutes an epoch",
    ]  # fmt: skip
    return markdown_table(headers, rows)


def nodes(config: BudgetConfig) -> int:
    """Machines that the GPUs are in."""
    return math.ceil(config.gpus / config.gpus_per_node)


def row_in_memory(size: int) -> int:
    """Bytes of a decoded row in Ray's object store: uint8 pixels, a bit a pixel of the hole."""
    return size * size * 3 + size * size // 8


def ring_seconds(size: float, *, ranks: int, gigabits: float) -> float:
    """Time of a ring all-reduce of `size` bytes: 2 (n - 1) / n of them pass each link."""
    return 2 * (ranks - 1) / ranks * size / (gigabits * 1e9 / 8)


def all_reduce(config: BudgetConfig, networks: Networks) -> str:
    """Lay out the time of the gradients' ring, as if nothing of it overlapped with computing."""
    rows = []
    for gigabits in GIGABITS:
        seconds = [
            ring_seconds(networks.parameters[name] * FLOAT, ranks=config.gpus, gigabits=gigabits)
            for name in ("generator", "discriminator")
        ]
        shares = [
            f"{100 * sum(seconds) / (config.batch_per_gpu / rate):.0f}" for rate in SAMPLES_PER_GPU
        ]
        times = [f"{1e3 * value:.1f}" for value in (*seconds, sum(seconds))]
        rows.append([str(gigabits), *times, *shares])
    headers = ["Gbit/s of the slowest link", "generator, ms", "discriminator, ms", "both, ms"]
    headers += [f"% of a step at {rate} samples/s" for rate in SAMPLES_PER_GPU]
    return markdown_table(headers, rows)


def checkpoint_bytes(networks: Networks) -> int:
    """Bytes of a checkpoint's tensors, but for spectral norm's vectors.

    The generator is there five times (weights, averages, two moments, the exported file), the
    discriminator three times.
    """
    generator, discriminator = (networks.parameters[n] for n in ("generator", "discriminator"))
    return FLOAT * (5 * generator + 3 * discriminator)


def young_interval(cost_s: float, mtbf_s: float) -> float:
    """Interval between checkpoints that loses least, by Young and Daly: sqrt(2 cost MTBF)."""
    return math.sqrt(2 * cost_s * mtbf_s)


def lost_share(interval_s: float, *, cost_s: float, mtbf_s: float, restart_s: float) -> float:
    """Share of the time that checkpoints, repeated steps and restarts take."""
    return cost_s / interval_s + (interval_s / 2 + restart_s) / mtbf_s


def checkpoints(config: BudgetConfig, networks: Networks, written: Checkpoint | None) -> str:
    """Lay out how often to save, by how often a node fails."""
    lines = [f"A checkpoint's tensors: {checkpoint_bytes(networks) / 1e6:,.0f} MB by count."]
    cost = 1.0
    if written is not None:
        cost = written.snapshot_s
        files = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in written.files.items())
        lines.append(
            f"One that was written: {files}; training waited {cost:.2f} s for the copy, the disk "
            f"took {written.write_s:.1f} s beside it."
        )
    rows = []
    machines = nodes(config)
    for days in NODE_MTBF_DAYS:
        mtbf = days * 86400 / machines
        interval = young_interval(cost, mtbf)
        shares = [
            lost_share(time, cost_s=cost, mtbf_s=mtbf, restart_s=config.restart_s)
            for time in (interval, 600.0, 3600.0)
        ]
        rows.append(
            [str(days), f"{mtbf / 3600:.1f}", f"{interval / 60:.1f}"]
            + [f"{100 * share:.2f} %" for share in shares]
        )
    headers = [
        "MTBF of a node, days", f"of {machines} nodes, hours", "best interval, minutes",
        "lost at best", "lost at 10 minutes", "lost at 60 minutes",
    ]  # fmt: skip
    return "\n".join([*lines, "", markdown_table(headers, rows)])


def memory(config: BudgetConfig) -> str:
    """Lay out what is held in memory however long the run."""
    bank = config.masks * config.size**2 / 8
    groups = math.ceil(config.images / ROW_GROUP)
    shards = math.ceil(config.images * config.row_bytes / (config.shard_mib * 2**20))
    rows = [
        ["masks, a copy in each node's object store", f"{bank / 1e6:.0f} MB"],
        ["masks once more, in the driver while it gathers them", f"{bank / 1e6:.0f} MB"],
        [
            f"list of {groups:,} row groups of {shards:,} shards, in the driver and each worker",
            f"{groups * _bytes_of_row_group() / 1e6:.1f} MB",
        ],
        ["data set on storage", f"{config.images * config.row_bytes / 1e9:.0f} GB"],
    ]
    return markdown_table(["what", "size"], rows)


def _bytes_of_row_group(sample: int = 1000) -> float:
    """Measure a `RowGroup` of a file name of its own shard."""
    per_shard = 50
    tracemalloc.start()
    groups = []
    for shard in range(sample // per_shard):
        file = f"s3://bucket/data/images/train/{shard:05d}.parquet"
        groups += [RowGroup(file=file, index=i, rows=ROW_GROUP) for i in range(per_shard)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(groups)


if __name__ == "__main__":
    run_main(main)
