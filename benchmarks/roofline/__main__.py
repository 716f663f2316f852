r"""FLOPs, bytes, floor and time of each part of a pass, beside what the machine can do.

Needs isnet's own dependencies only, no Ray; OpenVINO and ONNX Runtime for their paths, matplotlib
for `--figure`. Takes the GPU where there is one. Two minutes on a laptop; the paper's network on
two cores; on a GPU:

    python -m benchmarks.roofline --channels 8 --blocks 1 --size 128 --repeats 5 --paths plain,bf16
    python -m benchmarks.roofline --figure roofline.png
    python -m benchmarks.roofline --batch 32 --figure roofline.png

The floor of a part is the longer of two times: its operations at the best rate that was measured
here, of matrix products and of the network's own convolutions, and its input, output and weights,
each moved once, at the rate of the best copy or triad. Parts are timed in a folded network,
channels last, as PyTorch runs it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import subjects
from benchmarks.devices import device_name, find_device, use_threads, wait_for
from benchmarks.inference_paths import FULL_PATHS, PATHS, arranged, choose
from benchmarks.measuring import check_figure
from benchmarks.options import NetworkOptions, read_options
from benchmarks.processes import MeasurementError, in_a_process
from benchmarks.roofline.parts import convolutions_of, part_seconds
from benchmarks.roofline.peaks import DTYPES, convolution_flop_s, gemm_flop_s, stream_bytes_s
from benchmarks.roofline.report import Measured, report
from isnet.config import SIZE_MULTIPLE, InputError
from isnet.inference import folded

MODULE = "benchmarks.roofline"
PEAKS = "peaks"
_CONVOLUTIONS = 6
"""Shapes of convolution that are timed alone."""


@dataclass(frozen=True, kw_only=True)
class RooflineOptions(NetworkOptions):
    """The pass that is taken apart."""

    size: int = 256
    """side of the images in pixels, a multiple of 16"""
    batch: int = 1
    """images of a pass; of plain's always 1"""
    precisions: str = "fp32,bf16"
    """precisions to take the pass apart in"""
    repeats: int = 10
    """passes that are timed, after one that is not"""
    paths: str = ""
    """whole passes to time too; every path that can run here"""
    figure: str = ""
    """picture to draw, .png"""

    def check(self) -> None:
        """Refuse what could not be measured."""
        super().check()
        if self.size < 1 or self.size % SIZE_MULTIPLE:
            raise InputError(f"--size {self.size} must be a multiple of {SIZE_MULTIPLE}")
        if self.batch < 1 or self.repeats < 1:
            raise InputError("--batch and --repeats must be 1 or more")
        for name in self.precisions.split(","):
            if name not in DTYPES:
                raise InputError(f"--precisions {name!r}: choose of {', '.join(DTYPES)}")
        check_figure(self.figure)
        self.chosen()

    def chosen(self) -> list[str]:
        """List the paths to time."""
        return choose(self.paths, FULL_PATHS, find_device(self.device))


def main(argv: Sequence[str]) -> None:
    """Run the command line; with `--one` it is the process of the peaks, a precision or a path."""
    config, process = read_options(RooflineOptions, argv, module=MODULE, about=__doc__ or "")
    if process.one:
        print(json.dumps(measure_one(config, process.one)))
        return
    measured = measure(config)
    if config.figure:
        from benchmarks.roofline.figure import draw  # matplotlib, which nothing else needs

        draw(measured, config.figure)
    report(config, measured).publish(config.output or None)


def measure(config: RooflineOptions) -> Measured:
    """Measure the machine, then the parts, then whole passes, each in a process of its own.

    Raises:
        MeasurementError: the machine or the parts could not be measured. Paths that cannot are
            left out.

    """
    precisions, paths = config.precisions.split(","), config.chosen()
    found, failed = {}, {}
    for one in [PEAKS, *(f"parts {n}" for n in precisions), *(f"path {n}" for n in paths)]:
        try:
            found[one] = in_a_process(config, module=MODULE, one=one)
        except MeasurementError as error:
            if not one.startswith("path "):
                raise
            failed[one.removeprefix("path ")] = str(error)
            print(f"failed: {one}: {error}", flush=True)
            continue
        print(f"measured: {one}", flush=True)
    return Measured(
        network=folded(subjects.network(config)),
        size=config.size,
        batch=config.batch,
        peaks=found[PEAKS],
        parts={name: found[f"parts {name}"] for name in precisions},
        paths={name: found[f"path {name}"] for name in paths if name not in failed},
        failed=failed,
    )


def measure_one(config: RooflineOptions, one: str) -> dict[str, Any]:
    """Measure what one process is for: the peaks, a precision's parts or a path."""
    use_threads(config.threads)
    device = find_device(config.device)
    kind, _, name = one.partition(" ")
    if kind == PEAKS:
        return measure_peaks(config, device)
    measure_it = measure_parts if kind == "parts" else measure_path
    return measure_it(config, name, device)


def measure_peaks(config: RooflineOptions, device: torch.device) -> dict[str, Any]:
    """Measure the machine.

    Returns:
        by precision the FLOP/s of matrix products, `gemm_flop_s`, and the best of these and of the
        network's own convolutions, `flop_s`; `bytes_s`; `convolutions`; `device`.

    """
    network = folded(subjects.network(config))
    shapes = convolutions_of(network, size=config.size, batch=config.batch, most=_CONVOLUTIONS)
    convolutions = [
        {"shape": str(shape)} | {name: convolution_flop_s(shape, name, device) for name in DTYPES}
        for shape in shapes
    ]
    products = {name: gemm_flop_s(name, device) for name in DTYPES}
    best = {
        name: max(products[name], *(float(found[name]) for found in convolutions))
        for name in DTYPES
    }
    return {
        "gemm_flop_s": products,
        "flop_s": best,
        "bytes_s": stream_bytes_s(device),
        "convolutions": convolutions,
        "device": device_name(device),
    }


def measure_parts(config: RooflineOptions, precision: str, device: torch.device) -> dict[str, Any]:
    """Time the parts in one precision: `parts`, and the `whole` passes that they are of."""
    network: Any = folded(subjects.network(config)).to(device, DTYPES[precision])
    network = network.to(memory_format=torch.channels_last)
    image = _images(config, config.batch).to(device, DTYPES[precision])
    image = image.contiguous(memory_format=torch.channels_last)
    parts, whole = part_seconds(network, image, repeats=config.repeats)
    return {"parts": parts, "whole": whole}


@torch.inference_mode()
def measure_path(config: RooflineOptions, name: str, device: torch.device) -> dict[str, Any]:
    """Time whole passes of a path: `seconds` of each, and of how many `images`."""
    path = PATHS[name]
    images = 1 if path.engine == "plain" else config.batch
    network = arranged(path, subjects.network(config), device)
    image = _images(config, images).to(device)
    seconds = []
    for _ in range(config.repeats + 3):  # what compiles does so in the first, CUDA graphs later
        began = time.perf_counter()
        network(image)
        wait_for(device)
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds[3:], "images": images}


def _images(config: RooflineOptions, count: int) -> torch.Tensor:
    colours = torch.from_numpy(subjects.photographs(count, config.size))
    return colours.permute(0, 3, 1, 2).float().contiguous() / 255


if __name__ == "__main__":
    main(sys.argv[1:])
