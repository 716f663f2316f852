r"""Images a second, memory and error of every way to fill images, against plain eager fp32.

Needs isnet's own dependencies only, no Ray; OpenVINO and ONNX Runtime for their paths. Takes the
GPU where there is one. A minute on a laptop; the paper's network on two cores; on a GPU, one pass
and progressive; and windows round what is missing, held against full passes:

    python -m benchmarks.inference --channels 8 --blocks 1 --size 128 --rounds 1
    python -m benchmarks.inference --passes 1
    python -m benchmarks.inference --passes 1 --batch 32 --images 256
    python -m benchmarks.inference --batch 32 --images 256
    python -m benchmarks.inference --size 1024 --hole 0.02 --shape box --threshold 0 --passes 4 \
        --images 2 --paths bf16,bf16_windows,bf16_windows_128,bf16_windows_64

Plain is the network as it was loaded: its spectral norm computed in each pass, float32, channels
first, one image at a time, full passes. Every path of every round is a process of its own, so that
its peak memory is its own: on a CPU what the process grew by, on a GPU what PyTorch had allocated
at most.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks import subjects
from benchmarks.devices import Memory, device_name, find_device, use_threads, wait_for
from benchmarks.inference_paths import FULL_PATHS, PATHS, WINDOWS_AGAINST, choose, fill_by
from benchmarks.inference_report import report
from benchmarks.measuring import Report
from benchmarks.options import NetworkOptions, OneProcess, read_options
from benchmarks.processes import Found, in_a_process, measured_rounds
from isnet.config import InputError, ReconstructionConfig
from isnet.images import to_uint8

MODULE = "benchmarks.inference"


@dataclass(frozen=True, kw_only=True)
class InferenceOptions(NetworkOptions):
    """The images, and how often each path fills them."""

    size: int = 256
    """side of the images in pixels"""
    batch: int = 1
    """images that every path but plain fills at a time"""
    images: int = 4
    """images that are timed, a multiple of the batch"""
    hole: float = 0.3
    """share of each image that is missing"""
    shape: str = "irregular"
    """shape of the holes, irregular or box"""
    passes: int = 11
    """passes at most; 1 is one-shot"""
    threshold: float = 0.2
    """an image stops once less is missing; 0 makes all passes"""
    rounds: int = 3
    """rounds; each times every path"""
    warm_up: int = 1
    """times that all images are filled before they are timed; compiling falls into the first"""
    paths: str = ""
    """paths to time, separated by commas; every one with full passes that can run here"""

    def check(self) -> None:
        """Refuse what could not be measured."""
        super().check()
        subjects.check_hole(self.hole, self.shape)
        for name in ("size", "batch", "images", "rounds", "warm_up"):
            least = 0 if name == "warm_up" else 1
            if (value := getattr(self, name)) < least:
                raise InputError(f"--{name.replace('_', '-')} is {value}; give {least} or more")
        if self.images % self.batch:
            raise InputError(f"--images {self.images} is no multiple of --batch {self.batch}")
        self.reconstruction()
        chosen(self)

    def reconstruction(self) -> ReconstructionConfig:
        """How the holes are filled."""
        return ReconstructionConfig(threshold=self.threshold, max_passes=self.passes)


def main(argv: Sequence[str]) -> None:
    """Run the command line; with `--one` it is one path's process."""
    config, process = read_options(InferenceOptions, argv, module=MODULE, about=__doc__ or "")
    if process.one:
        print(json.dumps(time_path(config, process)))
        return
    for made in measure(config):
        if config.output:
            made.write(config.output)  # a run that is stopped keeps its whole rounds
    made.publish(config.output or None)


def chosen(config: InferenceOptions) -> list[str]:
    """List the paths to time, in the order of `PATHS`: plain first.

    Raises:
        InputError: a path that is unknown, or that cannot run here.

    """
    known = PATHS if config.paths else FULL_PATHS
    names = choose(config.paths, known, find_device(config.device))
    windows = any(PATHS[name].windows for name in names)
    wanted = {"plain", *names, *([WINDOWS_AGAINST] if windows else [])}
    return [name for name in PATHS if name in wanted]


def measure(config: InferenceOptions) -> Iterator[Report]:
    """Time every path in every round, each in a process of its own; report after each round."""
    truth = subjects.photographs(config.images, config.size)

    def rate(found: Found) -> str:
        return f"{config.images / sum(found['seconds']):.3g} images/s"

    with tempfile.TemporaryDirectory() as folder:

        def time_it(name: str) -> Found:
            keep = Path(folder, name)
            keep.mkdir(exist_ok=True)
            return in_a_process(config, module=MODULE, one=name, keep=str(keep))

        for rounds in measured_rounds(chosen(config), config.rounds, time_it, rate=rate):
            filled = {name: _kept(Path(folder, name)) for name in rounds.found}
            yield report(config, rounds, filled, truth)


def time_path(config: InferenceOptions, process: OneProcess) -> Found:
    """Fill all images, `warm_up` times and once more; keep what the last time made of them.

    Returns:
        `seconds` of each batch of the last time, `passes` of each image, `first_s` from the
        checkpoint to the first batch, `peak_bytes` and `device`.

    """
    use_threads(config.threads)
    path, device = PATHS[process.one], find_device(config.device)
    size, count = 1 if path.engine == "plain" else config.batch, config.images
    colours = subjects.photographs(count, config.size)
    holes = subjects.holes(count, config.size, ratio=config.hole, shape=config.shape)
    memory, began = Memory(device), time.perf_counter()
    fill = fill_by(path, subjects.network(config), config.reconstruction(), device)
    first, passes, seconds = 0.0, [], []
    for going in range(config.warm_up + 1):
        passes, seconds = [], []
        for start in range(0, count, size):
            batch_began = time.perf_counter()
            filled, made = fill(colours[start : start + size], holes[start : start + size])
            to_uint8(filled)
            wait_for(device)
            seconds.append(time.perf_counter() - batch_began)
            passes.append(made)
            first = first or time.perf_counter() - began
            if going == config.warm_up:
                np.save(Path(process.keep, f"{start:06}.npy"), filled.cpu().numpy())
    return {
        "seconds": seconds,
        "passes": list(chain.from_iterable(passes)),
        "first_s": first,
        "peak_bytes": memory.peak_bytes(),
        "device": device_name(device),
    }


def _kept(folder: Path) -> np.ndarray:
    """Read what a path made of the images: float32 (N, 3, H, W)."""
    return np.concatenate([np.load(file) for file in sorted(folder.glob("*.npy"))])


if __name__ == "__main__":
    main(sys.argv[1:])
