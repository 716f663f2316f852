"""Pictures a second of a bulk job, beside a loop over the same pictures with the same network.

    python -m benchmarks.bulk_speed --checkpoint runs/smoke/model

The loop reads, decodes, fills, encodes and writes one picture after the other in one process, with
one PyTorch thread, and with one for each core. The job is `inpaint.py` in a process of its own,
with 1, 2 and 4 actors of one CPU. Images a second are those of the last three quarters: what comes
before, starting included, is in the whole command's time and in the time to the first result.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.endpoints import make_samples
from benchmarks.measuring import Report, check_output, in_turn, machine, median, paired_ratio
from pipelines.cli import parse, run_main
from pipelines.machine import cores

_LOOP = "a loop, {} thread(s)"
_JOB = "inpaint.py, {} actor(s)"


@dataclass(frozen=True, kw_only=True)
class SpeedConfig:
    """What is measured."""

    checkpoint: str
    """The model."""
    photos: str = "samples"
    """Folder of photographs to cut pictures from."""
    size: int = 256
    """Side of the pictures in pixels; holes of 10 to 50 %."""
    images: int = 256
    """Pictures of a round."""
    actors: tuple[int, ...] = (1, 2, 4)
    """Numbers of processes to try, of one CPU each, however many cores there are."""
    rounds: int = 3
    """How often each side is measured, in turn."""
    output: str | None = None
    """Where to write the table: .md, or .json with every measurement."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One run of one side."""

    seconds: float
    """From its start to its end."""
    first: float
    """From its start to the first result."""
    steady: float
    """Pictures a second, of the last three quarters."""


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    config = parse(SpeedConfig, argv, description=__doc__)
    check_output(config.output)
    with tempfile.TemporaryDirectory() as folder:
        timings = measure(config, Path(folder))
    report(config, timings).publish(config.output)


def measure(config: SpeedConfig, folder: Path) -> dict[str, list[Timing]]:
    """Time each side in each round."""
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    samples = make_samples(
        config.photos, size=config.size, count=config.images, ratio_range=(0.1, 0.5)
    )
    for index, sample in enumerate(samples):
        (folder / f"photos/{index:05d}.png").write_bytes(sample.image)
        (folder / f"masks/{index:05d}.png").write_bytes(sample.mask)
    loops = {_LOOP.format(n): n for n in sorted({1, cores()})}
    jobs = {_JOB.format(n): n for n in config.actors}
    timings: dict[str, list[Timing]] = {}
    for index, name in in_turn([*loops, *jobs], config.rounds):
        output = folder / f"{index}-{name}"
        if name in loops:
            command = _loop(config, folder, output, loops[name])
        else:
            command = _job(config, folder, output, jobs[name])
        timings.setdefault(name, []).append(_timed(command, output, config.images))
    return timings


def _loop(config: SpeedConfig, folder: Path, output: Path, threads: int) -> list[str]:
    words = [config.checkpoint, str(folder), str(output), str(threads)]
    return [sys.executable, "-m", "benchmarks.serial_loop", *words]


def _job(config: SpeedConfig, folder: Path, output: Path, actors: int) -> list[str]:
    script = Path(__file__).parents[1] / "pipelines" / "inpaint.py"
    given = {
        "checkpoint": config.checkpoint,
        "input": folder / "photos",
        "masks": folder / "masks",
        "output": output,
        "actors": actors,
        "tracking.uri": f"sqlite:///{folder}/mlflow.db",
    }
    return [sys.executable, str(script), *(f"--{name}={value}" for name, value in given.items())]


def _timed(command: Sequence[str], output: Path, images: int) -> Timing:
    started = time.time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ended = time.time()
    written = sorted(path.stat().st_mtime for path in output.rglob("*.png"))
    assert len(written) == images, f"{len(written)} of {images} results"
    return Timing(
        seconds=ended - started,
        first=written[0] - started,
        steady=(images - 1 - images // 4) / (written[-1] - written[images // 4]),
    )


def report(config: SpeedConfig, timings: dict[str, list[Timing]]) -> Report:
    """Lay the measurements out."""
    loop = [each.steady for each in timings[_LOOP.format(1)]]
    rows = [
        [
            name,
            f"{median([each.steady for each in found]):.2f}",
            f"{paired_ratio([each.steady for each in found], loop):.2f}",
            f"{median([each.first for each in found]):.1f}",
            f"{median([each.seconds for each in found]):.1f}",
        ]
        for name, found in timings.items()
    ]
    return Report(
        title="A bulk job beside a loop",
        machine=machine(),
        settings={name: value for name, value in asdict(config).items() if name != "output"},
        headers=["", "images/s", "x loop, 1 thread", "first result, s", "whole command, s"],
        rows=rows,
        figures={name: [asdict(each) for each in found] for name, found in timings.items()},
        notes=["Times the loop is the median of the rounds' ratios."],
    )


if __name__ == "__main__":
    run_main(main)
