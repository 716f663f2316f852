"""The cost curve as a picture: time and memory against each axis. Needs matplotlib."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from pipelines.reporting.drawing import BLUE, ORANGE, new_figure, tidy

_AXES = {
    "size": "megapixels of an image",
    "hole": "missing, %",
    "batch": "images at a time",
}
_HEIGHT = 4.6


def draw(found: Sequence[Mapping[str, Any]], file: str) -> None:
    """Draw seconds an image above peak memory, a column an axis, both logarithmic.

    Args:
        found: points as `benchmarks.cost.measure` returns them.
        file: PNG to write.

    """
    names = [name for name in _AXES if any(point["axis"] == name for point in found)]
    figure = new_figure(_HEIGHT)
    grid = figure.subplots(2, len(names), sharex="col", sharey="row", squeeze=False)
    for column, name in enumerate(names):
        points = [point for point in found if point["axis"] == name]
        where = [_place(point) for point in points]
        seconds = [statistics.median(point["seconds"]) / point["batch"] for point in points]
        memory = [point["peak_bytes"] / 2**20 for point in points]
        _curve(grid[0][column], where, seconds, colour=BLUE)
        _curve(grid[1][column], where, memory, colour=ORANGE)
        tidy(grid[0][column], y="" if column else "seconds an image")
        tidy(grid[1][column], x=_AXES[name], y="" if column else "peak MiB")
        if name != "size":
            _label_points(grid[1][column], where)
    figure.savefig(file)


def _place(point: Mapping[str, Any]) -> float:
    """Where a point stands on its axis."""
    return point["size"] ** 2 / 1e6 if point["axis"] == "size" else point["value"]


def _curve(axes: Axes, x: Sequence[float], y: Sequence[float], *, colour: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot(x, y, color=colour, marker="o", markersize=4)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))


def _label_points(axes: Axes, x: Sequence[float]) -> None:
    """Name the measured values instead of powers of ten."""
    axes.set_xticks(list(x))
    axes.xaxis.set_minor_locator(NullLocator())
