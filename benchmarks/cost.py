r"""Seconds an image and peak memory against the images' size, the hole and the batch.

Needs isnet's own dependencies only, no Ray; matplotlib for `--figure`. Takes the GPU where there is
one. One axis is varied at a time, from a base point that the options give. A minute on a laptop;
the paper's network on two cores; on a GPU:

    python -m benchmarks.cost --channels 8 --blocks 1 --sizes 128,256,512 --holes 5,20 --batches 1,2
    python -m benchmarks.cost --backend openvino --batches 1,2,4,8 --figure cost.png
    python -m benchmarks.cost --size 512 --batch 8 --figure cost.png

Images are filled as bulk jobs fill them: by an `InferenceGenerator` and `Progress`, passes only
over what is missing and its surroundings, no pass over more than `--max-pixels` at once. Every
point is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import subjects
from benchmarks.cost_report import AXES, report
from benchmarks.devices import Memory, device_name, find_device, use_threads, wait_for
from benchmarks.filling import finish
from benchmarks.measuring import check_figure, median
from benchmarks.options import NetworkOptions, numbers, read_options
from benchmarks.processes import MeasurementError, in_a_process
from isnet.config import InputError, ReconstructionConfig
from isnet.inference import InferenceGenerator, check_backend
from isnet.progress import Progress
from isnet.tiles import MAX_PIXELS

MODULE = "benchmarks.cost"


@dataclass(frozen=True, kw_only=True)
class CostOptions(NetworkOptions):
    """The base point, and what is varied from it."""

    size: int = 512
    """side of the images in pixels, at the base point"""
    hole: float = 20.0
    """per cent of each image that is missing, at the base point"""
    batch: int = 1
    """images filled together, at the base point"""
    sizes: str = "256,512,1024,2048,4096"
    """sides to vary the size through, separated by commas; nothing leaves it"""
    holes: str = "5,10,20,30,50"
    """per cents to vary the hole through"""
    batches: str = "1,2,4,8,16,32,64"
    """batches to vary through"""
    shape: str = "irregular"
    """shape of the holes, irregular or box"""
    passes: int = 11
    """passes at most"""
    threshold: float = 0.2
    """an image stops once less is missing"""
    precision: str = "auto"
    """auto, fp32, bf16, or int8 of the backend openvino"""
    backend: str = "torch"
    """torch, compile or openvino"""
    context: str = "network"
    """pixels round the hole that passes take in: the network's whole reach, a number, or image"""
    max_pixels: int = MAX_PIXELS
    """pixels that a pass computes at most at a time"""
    repeats: int = 3
    """times that a point's images are filled, after a first that is not timed"""
    figure: str = ""
    """picture to draw, .png"""

    def check(self) -> None:
        """Refuse what could not be measured."""
        super().check()
        for point in points(self).values():
            point.check_point()
        if self.repeats < 1 or self.max_pixels < 1:
            raise InputError("--repeats and --max-pixels must be 1 or more")
        check_backend(self.precision, self.backend, find_device(self.device).type)
        if self.context not in ("network", "image") and not self.context.isdecimal():
            raise InputError(f"--context {self.context!r} must be network, image or a number")
        check_figure(self.figure)
        self.reconstruction()

    def check_point(self) -> None:
        """Refuse a point that cannot be."""
        if self.size < 1 or self.batch < 1:
            raise InputError(f"size {self.size}, batch {self.batch}: both must be 1 or more")
        subjects.check_hole(self.hole / 100, self.shape)

    def reconstruction(self) -> ReconstructionConfig:
        """How the holes are filled."""
        return ReconstructionConfig(threshold=self.threshold, max_passes=self.passes)


def main(argv: Sequence[str]) -> None:
    """Run the command line; with `--one` it is one point's process."""
    config, process = read_options(CostOptions, argv, module=MODULE, about=__doc__ or "")
    if process.one:
        print(json.dumps(time_point(config)))
        return
    found, failed = measure(config)
    if config.figure:
        from benchmarks.cost_figure import draw  # matplotlib, which nothing else needs

        draw(found, config.figure)
    report(config, found, failed).publish(config.output or None)


def points(config: CostOptions) -> dict[tuple[str, float], CostOptions]:
    """List the points, by axis and value on it."""
    found: dict[tuple[str, float], CostOptions] = {}
    for axis, option in AXES.items():
        kind = float if axis == "hole" else int
        for value in numbers(getattr(config, option), kind, flag=f"--{option}"):
            found[axis, value] = replace(config, **{axis: value})
    return found


def measure(config: CostOptions) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Time every point in a process of its own; the base point, which axes share, once.

    Returns:
        the points, and why others could not be measured: memory may end before the axis does.

    Raises:
        MeasurementError: none could be.

    """
    known: dict[tuple[float, ...], dict[str, Any] | MeasurementError] = {}
    found, failed = [], {}
    for (axis, value), point in points(config).items():
        place, name = (point.size, point.hole, point.batch), f"{axis} {value:g}"
        if place not in known:
            known[place] = _time_apart(point, name)
        result = known[place]
        if isinstance(result, MeasurementError):
            failed[name] = str(result)
            continue
        about = {"size": point.size, "hole": point.hole, "batch": point.batch}
        found.append({"axis": axis, "value": value, **about, **result})
    if failed and not found:
        raise MeasurementError(f"no point could be measured: {next(iter(failed.values()))}")
    return found, failed


def _time_apart(point: CostOptions, name: str) -> dict[str, Any] | MeasurementError:
    """Time a point in a process of its own; return what it found, or why it failed."""
    try:
        found = in_a_process(point, module=MODULE, one="point")
    except MeasurementError as error:
        print(f"{name} failed: {error}", flush=True)
        return error
    print(f"{name}: {median(found['seconds']) / point.batch:.3g} s an image", flush=True)
    return found


def time_point(config: CostOptions) -> dict[str, Any]:
    """Fill the images of a point again and again.

    Returns:
        `seconds` of the batch each time but the first, `passes` of each image, the mean `hole` as
        it was drawn, `peak_bytes`, those of them that were there `before_bytes` the images,
        `precision`, `context` in pixels (None: whole images) and `device`.

    """
    use_threads(config.threads)
    device = find_device(config.device)
    colours = subjects.photographs(config.batch, config.size)
    shape: Any = config.shape
    holes = subjects.holes(config.batch, config.size, ratio=config.hole / 100, shape=shape)
    memory = Memory(device)
    backend: Any = config.backend
    precision: Any = config.precision
    generator = InferenceGenerator(
        subjects.network(config), device=device, precision=precision, backend=backend
    )
    fixed = {"network": generator.context, "image": None}
    context = fixed[config.context] if config.context in fixed else int(config.context)
    before = memory.peak_bytes()
    seconds, passes = [], []
    for _ in range(config.repeats + 1):
        began = time.perf_counter()
        passes = _fill(config, generator, colours, holes, context)
        wait_for(device)
        seconds.append(time.perf_counter() - began)
    return {
        "seconds": seconds[1:],
        "passes": passes,
        "drawn": float(holes.mean()),
        "peak_bytes": memory.peak_bytes(),
        "before_bytes": before,
        "precision": generator.precision,
        "context": context,
        "device": device_name(device),
    }


def _fill(
    config: CostOptions,
    generator: InferenceGenerator,
    colours: np.ndarray,
    holes: np.ndarray,
    context: int | None,
) -> list[int]:
    """Fill a batch; return the passes that each image took."""
    images = [
        Progress(
            image,
            hole,
            config.reconstruction(),
            device=generator.device,
            context=context,
            max_pixels=config.max_pixels,
        )
        for image, hole in zip(colours, holes, strict=True)
    ]
    finish(generator, images, max_pixels=config.max_pixels)
    for progress in images:
        progress.fill()
    return [progress.passes for progress in images]


if __name__ == "__main__":
    main(sys.argv[1:])
