"""Whether a bulk job's memory grows with its pictures: many small ones, a narrow network.

    python -m benchmarks.bulk_memory --images 100000

Makes a tar of synthetic pictures with transparent holes and fills it by `inpaint.py`. Every two
seconds the resident memory of the driver and of the largest process that fills is noted; the table
shows both as the job goes on.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks.measuring import Report, check_output, machine
from isnet.checkpoint import save_generator
from isnet.config import GeneratorConfig
from isnet.initialisation import new_generator
from pipelines.bulk.progress import read_progress
from pipelines.cli import parse, run_main

_DISTINCT = 64
"""Different pictures; their names make every member its own."""

_MEBIBYTE = 2**20
_EVERY_S = 2.0
_NARROW = GeneratorConfig(blocks=1, channels=2)


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """What is measured."""

    images: int = 100_000
    """Pictures."""
    size: int = 32
    """Side of them in pixels."""
    actors: int = 2
    """Processes that fill."""
    folder: str | None = None
    """For the pictures and the results, emptied; by default a temporary one."""
    output: str | None = None
    """Where to write the table: .md, or .json with every measurement."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Memory at one moment of the job, in MiB."""

    seconds: float
    tried: int
    driver: float
    actor: float


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    config = parse(MemoryConfig, argv, description=__doc__)
    check_output(config.output)
    with tempfile.TemporaryDirectory(dir=config.folder) as folder:
        moments = list(measure(config, Path(folder)))
    report(config, moments).publish(config.output)


def measure(config: MemoryConfig, folder: Path) -> Iterator[Moment]:
    """Run the job; yield its memory every two seconds from the first result on."""
    write_pictures(folder / "pictures.tar", config)
    generator = new_generator(_NARROW, seed=0, initialisation="orthogonal", init_std=0.02)
    (folder / "model").mkdir()
    save_generator(folder / "model", generator, _NARROW, about={})
    places = {"checkpoint": "model", "input": "pictures.tar", "masks": "alpha", "output": "out"}
    words = [f"--{name}={value}" for name, value in places.items()]
    script = Path(__file__).parents[1] / "pipelines" / "inpaint.py"
    command = [sys.executable, str(script), *words, f"--actors={config.actors}"]
    started = time.monotonic()
    with subprocess.Popen(command, cwd=folder, stdout=sys.stderr) as process:
        while process.poll() is None:
            time.sleep(_EVERY_S)
            progress = read_progress(str(folder / "out"))
            tried = progress.done + progress.failed if progress else 0
            with suppress(psutil.NoSuchProcess, ValueError):
                yield moment(psutil.Process(process.pid), time.monotonic() - started, tried)
    if process.returncode:
        raise SystemExit(f"the job ended with exit code {process.returncode}")


def moment(driver: psutil.Process, seconds: float, tried: int) -> Moment:
    """Measure; `ValueError` where nothing fills yet."""
    actors = [
        child
        for child in driver.children(recursive=True)
        if "Filler" in " ".join(child.cmdline()) and tried
    ]
    resident = max(child.memory_info().rss for child in actors)
    return Moment(
        seconds=seconds,
        tried=tried,
        driver=driver.memory_info().rss / _MEBIBYTE,
        actor=resident / _MEBIBYTE,
    )


def write_pictures(path: Path, config: MemoryConfig) -> None:
    """Write noise with a transparent square each."""
    rng = np.random.default_rng(0)
    files = [_picture(rng, config.size) for _ in range(_DISTINCT)]
    with tarfile.open(path, "w") as archive:
        for index in range(config.images):
            data = files[index % _DISTINCT]
            member = tarfile.TarInfo(f"{index % 100:02d}/{index:07d}.png")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def _picture(rng: np.random.Generator, size: int) -> bytes:
    pixels = rng.integers(0, 256, (size, size, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    left, top = rng.integers(0, size // 2, 2)
    pixels[top : top + size // 3, left : left + size // 3, 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def report(config: MemoryConfig, moments: Sequence[Moment]) -> Report:
    """Show memory at tenths of the job."""
    rows = []
    for tenth in range(1, 11):
        least = tenth * config.images // 10
        found = next((each for each in moments if each.tried >= least), moments[-1])
        name = f"{found.tried:,}"
        rows.append([name, f"{found.seconds:.0f}", f"{found.driver:.0f}", f"{found.actor:.0f}"])
    return Report(
        title="Memory of a bulk job",
        machine=machine(),
        settings={name: value for name, value in asdict(config).items() if name != "output"},
        headers=["pictures tried", "seconds", "driver, MiB", "largest actor, MiB"],
        rows=rows,
        figures={"moments": [asdict(each) for each in moments]},
        notes=["Resident memory, with libraries and what of Ray's object store is mapped."],
    )


if __name__ == "__main__":
    run_main(main)
