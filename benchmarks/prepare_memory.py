"""Measure how much memory the driver of `prepare.py` takes for many pictures, and how fast it is.

    python benchmarks/prepare_memory.py --images 100000

Makes a tar of synthetic photographs, prepares it in a process of its own, and prints that process's
peak resident memory: the driver's alone, the workers that Ray starts are not in it.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

_DISTINCT = 64
"""Different pictures; their names make every member its own."""

_DRIVE = "drive"
"""First argument of the process that is measured."""

_MEBIBYTE = 1024 * 1024


def main() -> None:
    """Read the options, measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--source-size", type=int, default=64, help="side of the photographs")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures made of them")
    parser.add_argument("--folder", default=None, help="for the tar and the data set; emptied")
    parser.add_argument("--dry-run", action="store_true", help="list and plan only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = measure(
            Path(folder),
            images=options.images,
            source_size=options.source_size,
            size=options.size,
            dry_run=options.dry_run,
        )
    print(json.dumps(figures))


def measure(
    folder: Path, *, images: int, source_size: int, size: int, dry_run: bool = False
) -> dict[str, float]:
    """Prepare a tar of synthetic photographs in a process of its own.

    Args:
        folder: gets the tar and the data set, and keeps them.
        images: members of the tar.
        source_size: their side, in pixels.
        size: side of the prepared pictures.
        dry_run: stop when the work is planned.

    Returns:
        `peak_rss_mib` of the driver, `seconds`, `rows_per_second` and `images`.

    """
    write_tar(folder / "photos.tar", images=images, size=source_size)
    arguments = ["--photos", str(folder / "photos.tar"), "--output", str(folder / "data")]
    arguments += ["--size", str(size), "--generated-masks", "100"]
    arguments += ["--dry-run"] if dry_run else []
    start = time.monotonic()
    command = [sys.executable, __file__, _DRIVE, *arguments]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.monotonic() - start
    *lines, last = process.stdout.splitlines()
    print("\n".join(lines[-3:]), file=sys.stderr)
    return {
        "images": images,
        "peak_rss_mib": round(int(last) / 1024, 1),
        "seconds": round(seconds, 1),
        "rows_per_second": round(images / seconds, 1),
    }


def drive(arguments: list[str]) -> None:
    """Be the driver: prepare, then print the peak of this process alone, in KiB (on Linux)."""
    from pipelines import prepare

    prepare.main(arguments)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def write_tar(path: Path, *, images: int, size: int) -> None:
    """Write noise photographs under names like those of Places2."""
    rng = np.random.default_rng(0)
    pictures = [_jpeg(rng, size) for _ in range(min(images, _DISTINCT))]
    with path.open("wb", buffering=_MEBIBYTE) as file:
        for index in range(images):
            data = pictures[index % len(pictures)]
            info = tarfile.TarInfo(f"data_256/c/category_{index % 365}/{index:08d}.jpg")
            info.size = len(data)
            file.write(info.tobuf())
            file.write(data + bytes(-len(data) % tarfile.BLOCKSIZE))
        file.write(bytes(2 * tarfile.BLOCKSIZE))


def _jpeg(rng: np.random.Generator, size: int) -> bytes:
    """Encode smooth noise, which compresses about as photographs do."""
    coarse = rng.integers(0, 256, (max(2, size // 8), max(2, size // 8), 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((size, size)).save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


if __name__ == "__main__":
    if sys.argv[1:2] == [_DRIVE]:
        drive(sys.argv[2:])
    else:
        main()
