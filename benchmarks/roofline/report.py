"""What `benchmarks.roofline` says of its measurements: three tables and their words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from benchmarks.devices import find_device, where
from benchmarks.inference_paths import PATHS
from benchmarks.measuring import Report, median
from benchmarks.options import NetworkOptions, settings
from benchmarks.processes import failures
from benchmarks.roofline.parts import REST, Part, count, total
from pipelines.reporting.markdown import markdown_table

HEADERS = [
    "part",
    "precision",
    "GFLOP",
    "least MiB",
    "MiB by layers",
    "FLOP/byte",
    "bound by",
    "floor, ms",
    "measured, ms",
    "share, %",
    "x floor",
]

INSTEAD = "bf16"
"""Whose floor stands for a precision that PyTorch measures no peak of."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the processes found."""

    network: nn.Module
    """The folded generator."""
    size: int
    batch: int
    peaks: Mapping[str, Any]
    """What `measure_peaks` returned."""
    parts: Mapping[str, Mapping[str, Any]]
    """By precision: seconds of `parts` in each pass, and of the `whole` passes."""
    paths: Mapping[str, Mapping[str, Any]]
    """By path: `seconds` of passes over `images`."""
    failed: Mapping[str, str]
    """By path: why it could not be measured."""

    def count(self, precision: str) -> list[Part]:
        """Count what the parts do in a precision."""
        return count(self.network, size=self.size, batch=self.batch, precision=precision)

    def floor_s(self, part: Part, precision: str) -> float:
        """Seconds that this machine needs for a part at least."""
        return part.floor_s(self.peaks["flop_s"][precision], self.peaks["bytes_s"])

    def pass_floor_s(self, precision: str) -> float:
        """Seconds that this machine needs for a pass at least, its parts one after the other."""
        return sum(self.floor_s(part, precision) for part in self.count(precision))


def report(config: NetworkOptions, measured: Measured) -> Report:
    """Lay the measurements out; `config` are the options."""
    left_out = ("output", "figure", "paths", "precisions")
    rows = [row for precision in measured.parts for row in part_rows(measured, precision)]
    return Report(
        title="Roofline of a pass",
        machine=where(find_device(config.device)),
        settings=settings(config, device=measured.peaks["device"], left_out=left_out),
        headers=HEADERS,
        rows=rows,
        figures={
            "peaks": dict(measured.peaks),
            "parts": dict(measured.parts),
            "paths": dict(measured.paths),
            "failed": dict(measured.failed),
            "counts": {name: [asdict(p) for p in measured.count(name)] for name in measured.parts},
        },
        notes=[
            _reading(),
            _machine(measured),
            _convolutions(measured),
            _paths(measured),
            *_without_peak(measured),
            *failures(measured.failed),
        ],
    )


def part_rows(measured: Measured, precision: str) -> list[list[str]]:
    """Rows of the parts in one precision, and of the pass that they are."""
    counted, found = measured.count(precision), measured.parts[precision]
    seconds = {name: median(values) for name, values in found["parts"].items()}
    whole = median(found["whole"])
    rows = []
    for part in counted:
        floor = measured.floor_s(part, precision)
        rows.append(_row(measured, part, precision, floor, seconds[part.name], whole))
    rest = seconds[REST]
    rows.append([REST, precision, *["-"] * 6, _ms(rest), f"{100 * rest / whole:.1f}", "-"])
    floor = measured.pass_floor_s(precision)
    rows.append(_row(measured, total(counted), precision, floor, whole, whole))
    return rows


def _row(
    measured: Measured, part: Part, precision: str, floor: float, seconds: float, whole: float
) -> list[str]:
    computing = part.flop / measured.peaks["flop_s"][precision]
    moving = part.bytes / measured.peaks["bytes_s"]
    return [
        part.name,
        precision,
        f"{part.flop / 1e9:.3g}",
        f"{part.bytes / 2**20:,.1f}",
        f"{part.layer_bytes / 2**20:,.1f}",
        f"{part.intensity:,.0f}",
        "computing" if computing > moving else "memory",
        _ms(floor),
        _ms(seconds),
        f"{100 * seconds / whole:.1f}",
        f"{seconds / floor:.1f}",
    ]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.3g}" if seconds < 1 else f"{1000 * seconds:,.0f}"


def _reading() -> str:
    return (
        "Least MiB: a part's input, output and weights once; by layers: the same of each "
        "convolution, as if no cache held anything. The floor is the longer of computing and "
        "moving the least; that of a pass is the sum of its parts'. Parts are PyTorch's eager "
        "passes, folded and channels last; medians."
    )


def _machine(measured: Measured) -> str:
    flop_s = " and ".join(
        f"{best / 1e12:.3g} TFLOP/s in {name} (matrix products: "
        f"{measured.peaks['gemm_flop_s'][name] / 1e12:.3g})"
        for name, best in measured.peaks["flop_s"].items()
    )
    rounds = " On a GPU fp32 is PyTorch's default: convolutions round their factors to TF32."
    return (
        f"The machine: {flop_s}, the best of matrix products and of the convolutions below; "
        f"{measured.peaks['bytes_s'] / 1e9:,.3g} GB/s, copy or triad at best."
        + (rounds if measured.peaks["device"] != "cpu" else "")
    )


def _convolutions(measured: Measured) -> str:
    """Table of the shapes that a pass spends most operations on."""
    rows = []
    for found in measured.peaks["convolutions"]:
        row = [found["shape"]]
        for name, peak in measured.peaks["flop_s"].items():
            row += [f"{found[name] / 1e12:.3g}", f"{100 * found[name] / peak:.0f}"]
        rows.append(row)
    headers = ["convolution alone"]
    for name in measured.peaks["flop_s"]:
        headers += [f"TFLOP/s, {name}", "% of peak"]
    return markdown_table(headers, rows).rstrip("\n")


def _paths(measured: Measured) -> str:
    """Table of whole passes, an image."""
    rows = []
    for name, found in measured.paths.items():
        precision = PATHS[name].precision
        against = precision if precision in measured.peaks["flop_s"] else INSTEAD
        floor = measured.pass_floor_s(against) / measured.batch
        an_image = median(found["seconds"]) / found["images"]
        flop = total(measured.count(against)).flop / measured.batch
        rate = f"{flop / an_image / 1e12:.3g}"
        cells = [str(found["images"]), _ms(floor), _ms(an_image), rate, f"{an_image / floor:.1f}"]
        rows.append([name, precision, *cells])
    headers = ["path", "precision", "batch", "floor, ms an image", "measured, ms an image"]
    return markdown_table([*headers, "TFLOP/s", "x floor"], rows).rstrip("\n")


def _without_peak(measured: Measured) -> list[str]:
    """Say what floor paths are held against whose precision has none of its own."""
    used = dict.fromkeys(PATHS[name].precision for name in measured.paths)
    return [
        f"The floor of {precision} is that of {INSTEAD}: PyTorch measures no peak of {precision}, "
        f"which may be higher. Paths in {precision} can therefore be less than 1 x floor."
        for precision in used
        if precision not in measured.peaks["flop_s"]
    ]
