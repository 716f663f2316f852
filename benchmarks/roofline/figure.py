"""The roofline as a picture: what parts reach under what the machine can. Needs matplotlib."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.measuring import median
from benchmarks.roofline.report import Measured
from pipelines.reporting.drawing import CATEGORIES, DASHES, INK, new_figure, tidy

_MARKERS = ("o", "s")
_HEIGHT = 5.2


def draw(measured: Measured, file: str) -> None:
    """Draw a roof a precision, and under it a dot a part; write a PNG."""
    figure = new_figure(_HEIGHT)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    colours: dict[str, str] = {}
    for precision, marker in zip(measured.parts, _MARKERS, strict=False):
        _dots(axes, measured, precision, marker, colours)
    low, high = axes.get_xlim()
    ridges = [rate / measured.peaks["bytes_s"] for rate in measured.peaks["flop_s"].values()]
    ends = (min(low, *(ridge / 3 for ridge in ridges)), high * 2)
    for precision, dash in zip(measured.parts, reversed(DASHES), strict=False):
        _roof(axes, measured, precision, dash, ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    tidy(axes, x="FLOP a byte (input, output and weights once)", y="TFLOP/s")
    figure.legend(
        handles=_legend(measured, colours), loc="outside lower center", ncols=4, frameon=False
    )
    figure.savefig(file)


def _dots(
    axes: Axes, measured: Measured, precision: str, marker: str, colours: dict[str, str]
) -> None:
    """Draw what the parts of a pass reach; parts of one kind have one colour."""
    for part in measured.count(precision):
        seconds = median(measured.parts[precision]["parts"][part.name])
        kind = part.name.partition(": ")[2] or part.name
        colour = colours.setdefault(kind, CATEGORIES[len(colours) % len(CATEGORIES)])
        reached = part.flop / seconds / 1e12
        axes.plot(part.intensity, reached, marker, color=colour, markersize=6, alpha=0.85)


def _roof(
    axes: Axes, measured: Measured, precision: str, dash: str, ends: tuple[float, float]
) -> None:
    intensity = np.geomspace(*ends, 200)
    peak = measured.peaks["flop_s"][precision]
    roof = np.minimum(intensity * measured.peaks["bytes_s"], peak) / 1e12
    axes.plot(intensity, roof, dash, color=INK, linewidth=1.4)
    axes.annotate(
        f"{precision}: {peak / 1e12:.3g} TFLOP/s",
        (ends[1], peak / 1e12),
        ha="right",
        va="bottom",
        color=INK,
    )


def _legend(measured: Measured, colours: dict[str, str]) -> list[Line2D]:
    kinds = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=kind)
        for kind, colour in colours.items()
    ]
    precisions = [
        Line2D([], [], color=INK, marker=marker, linestyle=dash, label=precision)
        for precision, marker, dash in zip(measured.parts, _MARKERS, reversed(DASHES), strict=False)
    ]
    return kinds + precisions
