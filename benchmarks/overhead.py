r"""What Ray Train adds to a training step: the project's own loop against a bare `torchrun` script.

Both sides run the same networks and Eq. 5 with VGG16 on the same in-memory batches, in two
processes of as many threads. The Ray side is a whole run of pipelines/train.py, with MLflow, a
checkpoint and progress lines; only its stream is replaced. On a laptop, in about two minutes:

    python -m benchmarks.overhead --steps 20 --repeats 1

On a machine with two GPUs it takes them, one a worker:

    python -m benchmarks.overhead --channels 32 --blocks 4 --size 256 --batch 4
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import ray
import torch
from PIL import Image

from benchmarks.bare_ddp import BareSettings
from benchmarks.measuring import (
    Report,
    check_output,
    in_turn,
    machine,
    median,
    p95,
    paired_ratio,
)
from benchmarks.stepping import StepSettings, StepTimes, TimedBatches
from isnet.config import DiscriminatorConfig, GeneratorConfig, InputError, LossConfig
from pipelines import prepare, train
from pipelines.cli import parse, run_main
from pipelines.cluster import connect
from pipelines.preparation.config import PrepareConfig
from pipelines.tracking.runs import TrackingConfig
from pipelines.training import launch, loop
from pipelines.training.config import TrainConfig

RAY, BARE = "Ray Train, the project's loop", "torchrun, bare DDP"
WORKERS = 2
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class OverheadConfig:
    """The step, and how often it is timed."""

    size: int = 64
    """Side of the pictures, a multiple of 16."""
    batch: int = 4
    """Pictures of one worker."""
    channels: int = 8
    """Width of the generator; the discriminator is twice as wide, as in the paper."""
    blocks: int = 1
    """Residual blocks of the generator."""
    extractor: str = "vgg16"
    """Features of Eq. 5: vgg16, or random for machines without its weights."""
    threads: int = 0
    """Threads of a worker; 0 shares the cores."""
    cores: int = 0
    """Cores that both workers share, on both sides; the others are left to Ray's own processes, as
    on a machine with cores to spare. 0 leaves all to all."""
    steps: int = 60
    """Steps that count, of each side in each round."""
    warm_up: int = 10
    """Steps before them."""
    repeats: int = 3
    """Rounds; each times both sides."""
    output: str | None = None
    """File to write, .md or .json."""

    def step(self) -> StepSettings:
        """The step that is timed."""
        return StepSettings(
            size=self.size,
            batch=self.batch,
            warm_up=self.warm_up,
            steps=self.steps,
            cores=self.cores,
        )


def main(argv: Sequence[str]) -> None:
    """Run the command line."""
    prog = "python -m benchmarks.overhead"
    config = parse(OverheadConfig, argv, description=__doc__, prog=prog)
    check_output(config.output)
    if config.cores and not hasattr(os, "sched_setaffinity"):
        raise InputError("--cores needs Linux, which lets processes choose their cores")
    measure(config).publish(config.output)


def measure(config: OverheadConfig) -> Report:
    """Measure both sides in turn."""
    gpu = torch.cuda.device_count() >= WORKERS
    found: dict[str, list[StepTimes]] = {RAY: [], BARE: []}
    with tempfile.TemporaryDirectory(prefix="isnet-overhead-") as name:
        folder = Path(name)
        settings = train_config(config, folder, gpu=gpu)
        _prepare(config, folder)
        for index, side in in_turn(list(found), config.repeats):
            if side == RAY:
                times = _time_ray(config, settings, f"round-{index}")
            else:
                times = _time_bare(config, settings, folder)
            found[side].append(times)
            print(f"round {index + 1}: {side} {median(times.wall) * 1e3:.1f} ms a step", flush=True)
    return report(config, found, device="gpu" if gpu else "cpu", threads=_threads(config))


def train_config(config: OverheadConfig, folder: Path, *, gpu: bool) -> TrainConfig:
    """Configure the run that is timed: one more step than counts, which validates and saves."""
    if config.extractor not in ("vgg16", "random"):
        raise InputError(f"--extractor is {config.extractor!r}; choose vgg16 or random")
    return train.resolve(
        TrainConfig(
            data=str(folder / "data"),
            output=str(folder / "runs"),
            steps=config.warm_up + config.steps + 1,
            batch_size=config.batch * WORKERS,
            num_workers=WORKERS,
            device="gpu" if gpu else "cpu",
            precision="bf16" if gpu else "fp32",
            threads_per_worker=_threads(config),
            validation_images=4,
            generator=GeneratorConfig(blocks=config.blocks, channels=config.channels),
            discriminator=DiscriminatorConfig(channels=2 * config.channels),
            loss=LossConfig(extractor=config.extractor),  # type: ignore[arg-type]
            tracking=TrackingConfig(uri=f"sqlite:///{folder}/mlflow.db"),
        )
    )


def _threads(config: OverheadConfig) -> int:
    return config.threads or max(1, len(os.sched_getaffinity(0)) // WORKERS)


def _prepare(config: OverheadConfig, folder: Path) -> None:
    """Prepare pictures of noise: a run validates on some, and would refuse to start without."""
    photos = folder / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for index in range(40):
        noise = rng.integers(256, size=(config.size, config.size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(photos / f"{index:02d}.png")
    connect(num_cpus=WORKERS)
    prepare.prepare(
        PrepareConfig(
            photos=str(photos),
            output=str(folder / "data"),
            size=config.size,
            generated_masks=60,
            validation_percent=20,
        )
    )
    ray.shutdown()


def _time_ray(config: OverheadConfig, settings: TrainConfig, name: str) -> StepTimes:
    """Train a whole run under a Ray of its own, which must not be there beside the other side."""
    output = Path(settings.output) / f"{name}.json"
    step = config.step()

    def timed_worker(job: dict[str, loop.Job]) -> loop.Ending:
        return train_on_timed_batches(job, step, output)

    original = launch.train_worker
    launch.train_worker = timed_worker  # type: ignore[assignment]
    try:
        train.fit(replace(settings, name=name))
    finally:
        launch.train_worker = original
        ray.shutdown()
    return StepTimes(**json.loads(output.read_text()))


def train_on_timed_batches(
    job: dict[str, loop.Job], step: StepSettings, output: Path
) -> loop.Ending:
    """Run the project's worker on batches from memory; rank 0 writes how long its steps took."""
    rank = ray.train.get_context().get_world_rank()
    batches = TimedBatches(step, rank=rank)

    class Stream:
        def __init__(self, **_: object) -> None:
            pass

        def batches(self, start_step: int, stop_step: int) -> TimedBatches:
            return iter(batches)

    loop.TrainStream = Stream  # type: ignore[assignment,misc]
    ending = loop.train_worker(job)
    if rank == 0:
        output.write_text(json.dumps(asdict(batches.times())))
    return ending


def _time_bare(config: OverheadConfig, settings: TrainConfig, folder: Path) -> StepTimes:
    output = folder / "bare.json"
    bare = BareSettings(
        step=config.step(),
        generator=settings.generator,
        discriminator=settings.discriminator,
        loss=settings.loss,
        optimizer=settings.optimizer,
        threads=_threads(config),
        gpu=settings.device == "gpu",
        bf16=settings.precision == "bf16",
        output=str(output),
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(WORKERS), "-m", "benchmarks.bare_ddp", bare.to_json()]
    environment = os.environ | {"OMP_NUM_THREADS": str(_threads(config))}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return StepTimes(**json.loads(output.read_text()))


def report(
    config: OverheadConfig, found: dict[str, list[StepTimes]], *, device: str, threads: int
) -> Report:
    """Lay the measurements out."""
    wall = {side: [median(times.wall) for times in rounds] for side, rounds in found.items()}
    cpu = {
        side: [float(np.mean(times.cpu)) for times in rounds] for side, rounds in found.items()
    }  # a mean: the clock of a process may be coarse
    rows = []
    for side, rounds in found.items():
        slowest = p95([value for times in rounds for value in times.wall])
        cells = (median(wall[side]), slowest, median(cpu[side]))
        rows.append([side, *(f"{seconds * 1e3:.1f}" for seconds in cells)])
    by_wall, by_cpu = ((paired_ratio(kind[RAY], kind[BARE]) - 1) * 100 for kind in (wall, cpu))
    settings = asdict(config) | {"device": device, "threads": threads, "workers": WORKERS}
    del settings["output"]
    return Report(
        title="Overhead of Ray Train",
        machine=machine(),
        settings=settings,
        headers=["", "step, ms, median", "p95", "CPU of rank 0, ms a step"],
        rows=rows,
        figures={side: [asdict(times) for times in rounds] for side, rounds in found.items()},
        notes=[
            f"Ray Train over torchrun, median of the rounds' ratios: {by_wall:+.1f} % by the "
            f"clock, {by_cpu:+.1f} % of the training process's own CPU time."
        ],
    )


if __name__ == "__main__":
    logging.getLogger("torch.distributed.run").setLevel(logging.ERROR)
    run_main(main)
