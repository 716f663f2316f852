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

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from benchmarks.curves import draw
from benchmarks.measuring import (
    Report,
    check_output,
    in_turn,
    machine,
    median,
    p95,
    paired_ratio,
)
from benchmarks.training_step import VARIANTS, TrainingConfig, time_variant
from isnet.config import InputError
from isnet.counting import count

ROOT = Path(__file__).parent.parent
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

Rounds = list[dict[str, Any]]
"""What each round of a variant measured."""


def main(argv: Sequence[str]) -> None:
    """Run the command line; with `--one` it is one variant's process."""
    config, one = read_options(argv)
    if one:
        print(json.dumps(time_variant(config, VARIANTS[one])))
        return
    found, failed = measure(config)
    if config.figure:
        curves = {name: rounds[0] for name, rounds in found.items()}
        draw(curves, Path(config.figure))
    report(config, found, failed).publish(config.output or None)


def read_options(argv: Sequence[str]) -> tuple[TrainingConfig, str]:
    """Read the command line, with argparse: tyro may be missing where this runs."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for field in fields(TrainingConfig):
        flag = f"--{field.name.replace('_', '-')}"
        kind = int if isinstance(field.default, int) else str
        parser.add_argument(flag, type=kind, default=field.default, help=f"({field.default})")
    parser.add_argument("--one", default="", choices=["", *VARIANTS], help=argparse.SUPPRESS)
    given = vars(parser.parse_args(argv))
    one = given.pop("one")
    config = TrainingConfig(**given)
    try:
        _check(config)
    except ValueError as error:
        parser.error(str(error))
    return config, one


def _check(config: TrainingConfig) -> None:
    check_output(config.output or None)
    if config.figure and not config.figure.endswith(".png"):
        raise InputError(f"--figure {config.figure} must end in .png")
    if config.figure and not Path(config.figure).absolute().parent.is_dir():
        raise InputError(f"--figure {config.figure}: there is no such folder; make it first")
    if config.steps < 1 or config.warm_up < 1:
        raise InputError("--steps and --warm-up must be at least 1")
    chosen(config)


def chosen(config: TrainingConfig) -> list[str]:
    """List the variants to time, plain first."""
    on_gpu = config.torch_device().type == "cuda"
    fitting = [name for name, variant in VARIANTS.items() if on_gpu or not variant.for_gpu]
    names = config.variants.split(",") if config.variants else fitting
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise InputError(f"unknown variant {unknown[0]!r}; choose of {', '.join(VARIANTS)}")
    return ["plain", *(name for name in names if name != "plain")]


def measure(config: TrainingConfig) -> tuple[dict[str, Rounds], dict[str, str]]:
    """Time every variant in every round, each in a process of its own.

    Returns:
        What was measured by variant, and why others could not be.

    """
    found: dict[str, Rounds] = {}
    failed: dict[str, str] = {}
    for index, name in in_turn(chosen(config), config.repeats):
        if name in failed:
            continue
        try:
            result = _in_a_process(config, name)
        except subprocess.CalledProcessError as error:
            if name == "plain":
                raise
            # Compilers refuse for many reasons, and the other figures are good.
            failed[name] = (error.stderr.strip().splitlines() or ["no message"])[-1]
            found.pop(name, None)
            print(f"round {index + 1}: {name} failed\n{error.stderr}", flush=True)
            continue
        found.setdefault(name, []).append(result)
        rate = config.batch / median(result["seconds"])
        print(f"round {index + 1}: {name} {rate:.1f} samples/s", flush=True)
    return {name: found[name] for name in chosen(config) if name in found}, failed


def _in_a_process(config: TrainingConfig, name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training", "--one", name]
    for option, value in (asdict(config) | {"output": "", "figure": ""}).items():
        command.append(f"--{option.replace('_', '-')}={value}")
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def report(
    config: TrainingConfig, found: Mapping[str, Rounds], failed: Mapping[str, str]
) -> Report:
    """Lay the measurements out."""
    generator, discriminator = config.networks()
    flop = count(generator, discriminator, size=config.size).step_flop
    settings = asdict(config) | {"device": found["plain"][0]["device"]}
    settings["threads"] = config.threads or torch.get_num_threads()
    unsaid = ("output", "variants", "figure")
    return Report(
        title="The training step",
        machine=machine(),
        settings={n: v for n, v in settings.items() if n not in unsaid},
        headers=HEADERS,
        rows=[
            [name, *_speed(config, rounds, found["plain"], flop), *_loss(rounds, found["plain"])]
            for name, rounds in found.items()
        ],
        figures={"rounds": dict(found), "failed": dict(failed), "step_flop": flop},
        notes=[
            "Times plain is the median of the rounds' ratios. Operations are those of the step's "
            "equations, whatever a variant computes twice; beside them a large product of "
            "matrices in the variant's precision. The loss is the mean over the last quarter of "
            "the steps. `plain_other_seed` starts from other weights: differences below its own "
            "say nothing.",
            *(f"{name} could not be measured: {reason}" for name, reason in failed.items()),
        ],
    )


def _speed(config: TrainingConfig, rounds: Rounds, plain: Rounds, flop: int) -> list[str]:
    medians = [median(one["seconds"]) for one in rounds]
    rate = config.batch / median(medians)
    slow = config.batch / p95([value for one in rounds for value in one["seconds"]])
    faster = 1 / paired_ratio(medians, [median(one["seconds"]) for one in plain])
    matmul = median([one["matmul_flop_per_s"] for one in rounds])
    return [
        f"{rate:.1f}",
        f"{slow:.1f}",
        f"{faster:.2f}",
        f"{rate * flop / 1e12:.3g}",
        f"{100 * rate * flop / matmul:.0f}",
        f"{median([one['peak_bytes'] for one in rounds]) / 2**20:,.0f}",
        f"{median([one['first_s'] for one in rounds]):.1f}",
    ]


def _loss(rounds: Rounds, plain: Rounds) -> list[str]:
    """Say where the curve ends: every round sees the same batches, so the first stands for all."""
    ends = {term: (_end(rounds[0][term]), _end(plain[0][term])) for term in ("generator", "l1")}
    away = [f"{100 * (ours - base) / abs(base):+.2f}" for ours, base in ends.values()]
    return [f"{ends['generator'][0]:.3f}", *away]


def _end(values: Sequence[float]) -> float:
    return statistics.fmean(values[-max(1, len(values) // 4) :])


if __name__ == "__main__":
    main(sys.argv[1:])
