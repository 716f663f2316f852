r"""Samples a second and peak memory of the training step's options, against plain eager fp32.

Needs isnet's own dependencies only, no Ray. Takes the GPU where there is one. On a laptop, in about
two minutes, and the paper's network on a GPU:

    python -m benchmarks.training --variants plain,channels_last,fused --steps 5 --repeats 1
    python -m benchmarks.training --size 256 --channels 32 --blocks 4 --batch 16

Every variant of every round is a process of its own, so that its peak memory is its own: on a CPU
what the process grew by over its networks, on a GPU what PyTorch had allocated at most.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import (
    Report,
    check_output,
    in_turn,
    machine,
    median,
    p95,
    paired_ratio,
)
from isnet.config import DiscriminatorConfig, GeneratorConfig, LossConfig, OptimizerConfig
from isnet.discriminator import build_discriminator
from isnet.initialisation import initialise, new_generator
from isnet.losses import GeneratorLoss
from isnet.training import GanTrainer
from isnet.vgg import build_extractor

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a step is computed; plain where nothing is said."""

    channels_last: bool = False
    fused: bool = False
    bf16: bool = False
    accumulate: int = 1
    compiled: bool = False


SENSIBLE = Variant(channels_last=True, fused=True)
VARIANTS = {
    "plain": Variant(),
    "channels_last": Variant(channels_last=True),
    "fused": Variant(fused=True),
    "bf16": Variant(bf16=True),
    "accumulate": Variant(accumulate=2),
    "compile": Variant(compiled=True),
    "default": SENSIBLE,
    "default_bf16": replace(SENSIBLE, bf16=True),
    "all": replace(SENSIBLE, bf16=True, compiled=True),
}
"""`default` is what pipelines/train.py does on a CPU, `default_bf16` on a GPU."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The step, and how often it is timed."""

    size: int = 64
    """side of the pictures, a multiple of 16"""
    batch: int = 8
    """pictures of a step"""
    channels: int = 8
    """width of the generator; the discriminator is twice as wide, as in the paper"""
    blocks: int = 1
    """residual blocks of the generator"""
    extractor: str = "vgg16"
    """features of Eq. 5: vgg16, or random where its weights are missing"""
    device: str = "auto"
    """auto, cpu or cuda"""
    threads: int = 0
    """threads on a CPU; 0 takes PyTorch's choice"""
    steps: int = 20
    """steps that count, of each variant in each round"""
    warm_up: int = 3
    """steps before them; compiling falls into the first"""
    repeats: int = 3
    """rounds; each times every variant"""
    variants: str = ",".join(VARIANTS)
    """variants to time; plain is always among them"""
    output: str = ""
    """file to write, .md or .json"""


def main(argv: Sequence[str]) -> None:
    """Run the command line; with `--one` it is one variant's process."""
    config, one = read_options(argv)
    if one:
        print(json.dumps(time_variant(config, VARIANTS[one])))
        return
    measure(config).publish(config.output or None)


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
        check_output(config.output or None)
        chosen(config)
    except ValueError as error:
        parser.error(str(error))
    return config, one


def chosen(config: TrainingConfig) -> list[str]:
    """List the variants to time, plain first."""
    names = config.variants.split(",")
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise ValueError(f"unknown variant {unknown[0]!r}; choose of {', '.join(VARIANTS)}")
    return ["plain", *(name for name in names if name != "plain")]


def measure(config: TrainingConfig) -> Report:
    """Time every variant in every round, each in a process of its own."""
    names = chosen(config)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for index, name in in_turn(names, config.repeats):
        result = _in_a_process(config, name)
        found[name].append(result)
        rate = config.batch / median(result["seconds"])
        print(f"round {index + 1}: {name} {rate:.1f} samples/s", flush=True)
    return report(config, found)


def _in_a_process(config: TrainingConfig, name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training", "--one", name]
    for option, value in asdict(config).items():
        command += [f"--{option.replace('_', '-')}", str(value)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def time_variant(config: TrainingConfig, variant: Variant) -> dict[str, Any]:
    """Time the steps of a variant; return their `seconds`, the `first_s`, `peak_bytes`, `device`.

    The first step's seconds hold the compiling.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    device = _device(config)
    trainer = _trainer(config, variant, device)
    layout = torch.channels_last if variant.channels_last else torch.contiguous_format
    generator = torch.Generator().manual_seed(0)
    shape = (config.batch, 3, config.size, config.size)
    image = torch.rand(shape, generator=generator).to(device, memory_format=layout)
    valid = (torch.rand(shape[0], 1, *shape[2:], generator=generator) < 0.7).to(device)
    before = _resident_bytes()
    seconds = []
    for _ in range(config.warm_up + config.steps):
        began = time.perf_counter()
        trainer.step(image, valid)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    on_gpu = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if on_gpu else _peak_bytes() - before
    return {
        "seconds": seconds[config.warm_up :],
        "first_s": seconds[0],
        "peak_bytes": peak,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
    }


def _device(config: TrainingConfig) -> torch.device:
    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _trainer(config: TrainingConfig, variant: Variant, device: torch.device) -> GanTrainer:
    layout = torch.channels_last if variant.channels_last else torch.contiguous_format
    loss, optimizer = LossConfig(), OptimizerConfig(fused=variant.fused)
    generator = new_generator(
        GeneratorConfig(blocks=config.blocks, channels=config.channels),
        seed=0,
        initialisation=optimizer.initialisation,
        init_std=optimizer.init_std,
    )
    width = DiscriminatorConfig(channels=2 * config.channels).channels
    discriminator = build_discriminator(channels=width)
    initialise(discriminator, "normal", std=optimizer.init_std)
    extractor = build_extractor(config.extractor)  # type: ignore[arg-type]
    return GanTrainer(
        generator.to(device=device, memory_format=layout),
        discriminator.to(device=device, memory_format=layout),
        GeneratorLoss(loss.weights(), extractor.to(device=device, memory_format=layout)),
        optimizer=optimizer,
        autocast=torch.bfloat16 if variant.bf16 else None,
        accumulate=variant.accumulate,
        compiled=variant.compiled,
    )


def _resident_bytes() -> int:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _peak_bytes() -> int:
    """Most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def report(config: TrainingConfig, found: Mapping[str, list[dict[str, Any]]]) -> Report:
    """Lay the measurements out."""
    medians = {name: [median(one["seconds"]) for one in rounds] for name, rounds in found.items()}
    rows = []
    for name, rounds in found.items():
        slow = config.batch / p95([value for one in rounds for value in one["seconds"]])
        faster = 1 / paired_ratio(medians[name], medians["plain"])
        memory = median([one["peak_bytes"] for one in rounds])
        rows.append(
            [
                name,
                f"{config.batch / median(medians[name]):.1f}",
                f"{slow:.1f}",
                f"{faster:.2f}",
                f"{memory / 2**20:,.0f}",
                f"{median([one['first_s'] for one in rounds]):.1f}",
            ]
        )
    settings = asdict(config) | {"device": found["plain"][0]["device"]}
    settings["threads"] = config.threads or torch.get_num_threads()
    return Report(
        title="The training step",
        machine=machine(),
        settings={n: v for n, v in settings.items() if n not in ("output", "variants")},
        headers=["", "samples/s", "slowest 5 %", "x plain", "peak MiB", "first step, s"],
        rows=rows,
        figures=dict(found),
        notes=["Times plain is the median of the rounds' ratios."],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
