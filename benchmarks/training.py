r"""The training step: samples a second, peak memory and the loss curve, against plain eager fp32.

Needs isnet's own dependencies only, no Ray. Takes the GPU where there is one. On a laptop, in about
two minutes; the paper's network on a GPU; and a longer curve as a picture, for which matplotlib is
needed:

    python -m benchmarks.training --variants step,default,default_bf16 --steps 5 --repeats 1
    python -m benchmarks.training --size 256 --channels 32 --blocks 4 --batch 16
    python -m benchmarks.training --steps 200 --repeats 1 --figure curves.png

Every variant of every round is a process of its own, so that its peak memory is its own: on a CPU
what the process grew by over its networks, on a GPU what PyTorch had allocated at most. All of them
see the same batches, new ones each step: crops of photographs, with irregular holes.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.curves import draw
from benchmarks.measuring import Report, machine, median, p95, paired_ratio
from benchmarks.options import read_options, settings
from benchmarks.processes import Found, Rounds, failures, in_a_process, measured_rounds
from benchmarks.training_step import VARIANTS, TrainingOptions, time_variant
from isnet.counting import count

MODULE = "benchmarks.training"
HEADERS = [
    "",
    "samples/s",
    "slowest 5 %",
    "x plain",
    "TFLOP/s",
    "of matmul, %",
    "peak MiB",
    "first step, s",
    "loss, last steps",
    "to plain, %",
    "l1 to plain, %",
]

Runs = Sequence[Found]
"""What each round of a variant measured."""


def main(argv: Sequence[str]) -> None:
    """Run the command line; with `--one` it is one variant's process."""
    config, process = read_options(TrainingOptions, argv, module=MODULE, about=__doc__ or "")
    if process.one:
        print(json.dumps(time_variant(config, VARIANTS[process.one])))
        return
    for rounds in measure(config):
        made = report(config, rounds)
        if config.output:
            made.write(config.output)  # a run that is stopped keeps its whole rounds
    if config.figure:
        curves = {name: runs[0] for name, runs in rounds.found.items()}
        draw(curves, Path(config.figure))
    made.publish(config.output or None)


def measure(config: TrainingOptions) -> Iterator[Rounds]:
    """Time every variant in every round, each in a process of its own."""

    def rate(found: Found) -> str:
        return f"{config.batch / median(found['seconds']):.1f} samples/s"

    def time_it(name: str) -> Found:
        return in_a_process(config, module=MODULE, one=name)

    return measured_rounds(config.chosen(), config.repeats, time_it, rate=rate)


def report(config: TrainingOptions, rounds: Rounds) -> Report:
    """Lay the measurements out."""
    found, failed = rounds.found, rounds.failed
    generator, discriminator = config.networks()
    flop = count(generator, discriminator, size=config.size).step_flop
    device, left_out = found["plain"][0]["device"], ("output", "variants", "figure")
    return Report(
        title="The training step",
        machine=machine(),
        settings=settings(config, device=device, left_out=left_out),
        headers=HEADERS,
        rows=[
            [name, *_speed(config, runs, found["plain"], flop), *_loss(runs, found["plain"])]
            for name, runs in found.items()
        ],
        figures={"rounds": dict(found), "failed": dict(failed), "step_flop": flop},
        notes=[
            "Times plain is the median of the rounds' ratios. Operations are those of the step's "
            "equations, whatever a variant computes twice; beside them a large product of "
            "matrices in the variant's precision. The loss is the mean over the last quarter of "
            "the steps. `plain_other_seed` starts from other weights: differences below its own "
            "say nothing. Peak memory is what the process grew by over its networks and features; "
            "on a GPU, what PyTorch had allocated at most.",
            *failures(failed),
        ],
    )


def _speed(config: TrainingOptions, runs: Runs, plain: Runs, flop: int) -> list[str]:
    medians = [median(one["seconds"]) for one in runs]
    rate = config.batch / median(medians)
    slow = config.batch / p95([value for one in runs for value in one["seconds"]])
    faster = 1 / paired_ratio(medians, [median(one["seconds"]) for one in plain])
    matmul = median([one["matmul_flop_per_s"] for one in runs])
    return [
        f"{rate:.1f}",
        f"{slow:.1f}",
        f"{faster:.2f}",
        f"{rate * flop / 1e12:.3g}",
        f"{100 * rate * flop / matmul:.0f}",
        f"{median([one['peak_bytes'] for one in runs]) / 2**20:,.0f}",
        f"{median([one['first_s'] for one in runs]):.1f}",
    ]


def _loss(runs: Runs, plain: Runs) -> list[str]:
    """Say where the curve ends: every round sees the same batches, so the first stands for all."""
    ends = {term: (_end(runs[0][term]), _end(plain[0][term])) for term in ("generator", "l1")}
    away = [f"{100 * (ours - base) / abs(base):+.2f}" for ours, base in ends.values()]
    return [f"{ends['generator'][0]:.3f}", *away]


def _end(values: Sequence[float]) -> float:
    return statistics.fmean(values[-max(1, len(values) // 4) :])


if __name__ == "__main__":
    main(sys.argv[1:])
