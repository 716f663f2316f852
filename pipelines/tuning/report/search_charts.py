"""Pictures of a search over numbers: parallel coordinates, scatters, rank correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from PIL import Image

from pipelines.reporting.document import MISSING
from pipelines.reporting.drawing import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    PALE,
    add_colour_bar,
    colours,
    formula,
    is_logarithmic,
    name_points,
    new_figure,
    score_scale,
    tidy,
    to_image,
)
from pipelines.tuning.report.ranking import Dimension

_NAMED = 3
"""Trials whose names stand in a chart."""
_PER_ROW = 2


def draw_parallel(searched: Sequence[Dimension], psnr: Sequence[float]) -> Image.Image:
    """Draw one vertical axis a number and one line a trial, coloured by its PSNR, the best on top.

    Trials are in the order of `psnr`, the best first.
    """
    figure = new_figure(4.6)
    axes = figure.add_subplot()
    scale = score_scale(psnr)
    shades = colours(scale, psnr)
    heights = [_heights(dimension.values) for dimension in searched]
    for index in reversed(range(len(psnr))):
        best = index == 0
        line = [column[index] for column in heights]
        axes.plot(
            line, color=shades[index], linewidth=3.2 if best else 1.5,
            marker="o", markersize=6 if best else 3.5, alpha=1.0 if best else 0.75,
        )  # fmt: skip
    for place, dimension in enumerate(searched):
        _draw_scale(axes, place, dimension.values)
    axes.set_xlim(-0.25, len(searched) - 0.9)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([])
    axes.set_xticks(range(len(searched)), [formula(dimension.name) for dimension in searched])
    axes.tick_params(axis="x", length=0, labelsize=13 if len(searched) < 7 else 9, pad=8)
    axes.spines[:].set_visible(False)
    add_colour_bar(figure, axes, scale)
    return to_image(figure)


def _heights(values: Sequence[float]) -> list[float]:
    """Place values between 0, the least, and 1, the greatest, by their logarithms if far apart."""
    placed = [math.log(value) for value in values] if is_logarithmic(values) else list(values)
    low, high = min(placed), max(placed)
    return [(value - low) / (high - low) for value in placed]


def _draw_scale(axes: Axes, place: int, values: Sequence[float]) -> None:
    """Draw an axis with its least and greatest value and, between them, round ones."""
    axes.axvline(place, color=FAINT, linewidth=1, zorder=0)
    marks = sorted({min(values), *_round_numbers(values), max(values)})
    for value, height in zip(marks, _heights(marks), strict=True):
        axes.text(
            place - 0.04, height, f"{value:.3g}", fontsize=8.5, color=INK, ha="right", va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
        )  # fmt: skip


def _round_numbers(values: Sequence[float]) -> list[float]:
    """Take powers of ten, or round steps, that keep clear of both ends."""
    low, high = min(values), max(values)
    if is_logarithmic(values):
        exponents = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        marks = [10.0**exponent for exponent in exponents]
        return [mark for mark in marks if low * 1.6 < mark < high / 1.6]
    clear = (high - low) / 12
    marks = list(MaxNLocator(4).tick_values(low, high))
    return [mark for mark in marks if low + clear < mark < high - clear]


def draw_scatters(
    searched: Sequence[Dimension], psnr: Sequence[float], names: Sequence[str]
) -> Image.Image:
    """Draw PSNR against each number, naming the best trials."""
    rows = math.ceil(len(searched) / _PER_ROW)
    figure = new_figure(2.9 * rows)
    grid = figure.subplots(rows, _PER_ROW, squeeze=False, sharey=True)
    shades = colours(score_scale(psnr), psnr)
    for index, (axes, dimension) in enumerate(zip(grid.flat, searched, strict=False)):
        _draw_scatter(axes, dimension, psnr, shades)
        axes.set_ylabel("PSNR of PRA, dB" if index % _PER_ROW == 0 else "", fontsize=11)
    for axes in grid.flat[len(searched) :]:
        axes.set_visible(False)
    figure.draw_without_rendering()
    for axes, dimension in zip(grid.flat, searched, strict=False):
        points = zip(dimension.values, psnr, names, strict=True)
        name_points(axes, list(points)[:_NAMED])
    return to_image(figure)


def _draw_scatter(
    axes: Axes, dimension: Dimension, psnr: Sequence[float], shades: Sequence[str]
) -> None:
    axes.scatter(dimension.values, psnr, c=shades, s=48, edgecolor="white", linewidth=0.7, zorder=3)
    tidy(axes, x=formula(dimension.name))
    axes.margins(x=0.16, y=0.14)
    if is_logarithmic(dimension.values):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def draw_correlations(
    names: Sequence[str], headers: Sequence[str], table: Sequence[Sequence[float | None]],
    better: Sequence[int],
) -> Image.Image:  # fmt: skip
    """Draw a rank correlation in each cell: blue where more of a number scored better.

    Args:
        names: the numbers, one a row.
        headers: the scores, one a column.
        table: the correlations; None for none.
        better: 1 for a score that is better higher, -1 for one that is better lower.

    """
    figure = new_figure(1.2 + 0.55 * len(names))
    axes = figure.add_subplot()
    for row, (name, values) in enumerate(zip(names, table, strict=True)):
        for column, (value, sign) in enumerate(zip(values, better, strict=True)):
            _draw_cell(axes, column, row, value, sign)
        axes.text(-0.62, row, formula(name), fontsize=12, ha="right", va="center", color=INK)
    axes.set_xticks(range(len(headers)), headers, fontsize=11)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xlim(-1.6 if max(map(len, names)) < 10 else -2.6, len(headers) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[:].set_visible(False)
    return to_image(figure)


def _draw_cell(axes: Axes, column: int, row: int, value: float | None, sign: int) -> None:
    strength = 0.0 if value is None else abs(value)
    hue = np.array(_rgb(BLUE if (value or 0) * sign >= 0 else ORANGE))
    colour = 1 - strength * (1 - hue)
    axes.fill_between(
        [column - 0.47, column + 0.47], row - 0.44, row + 0.44, color=colour, edgecolor=PALE
    )
    text = MISSING if value is None else f"{value:+.2f}"
    ink = "white" if strength > 0.6 else INK
    axes.text(column, row, text, fontsize=12, ha="center", va="center", color=ink)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
