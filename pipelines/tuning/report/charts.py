"""Pictures of every campaign: learning curves, ours against the paper's, both orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle, product

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from PIL import Image

from pipelines.reporting.drawing import (
    BLUE,
    CATEGORIES,
    DASHES,
    FAINT,
    ORANGE,
    add_colour_bar,
    colours,
    name_points,
    new_figure,
    plain,
    score_scale,
    tidy,
    to_image,
)
from pipelines.tuning.outcome import TrialOutcome
from pipelines.tuning.report.disagreement import Comparison, Standing
from pipelines.tuning.report.ranking import PSNR, score, title

NAMED_CURVES = 10
"""Trials up to which each curve has a colour and a name of its own."""
_ENDINGS = {"failed": "x", "stopped": "s"}


def finite_curve(trial: TrialOutcome) -> list[tuple[int, float]]:
    """Take the validations that gave a number."""
    return [(step, value) for step, value in trial.curve if math.isfinite(value)]


def draw_curves(trials: Sequence[TrialOutcome]) -> Image.Image:
    """Draw held-out PSNR against step, one line a trial, in the order of the legend."""
    figure = new_figure(4.6)
    axes = figure.add_subplot()
    tidy(axes, x="step", y="held-out PSNR of PRA, dB")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if len(trials) <= NAMED_CURVES:
        _draw_named(axes, trials)
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=10)
        return to_image(figure)
    _draw_shaded(figure, axes, trials)
    return to_image(figure)


def _draw_shaded(figure: Figure, axes: Axes, trials: Sequence[TrialOutcome]) -> None:
    """Colour curves by their final score, the best on top; grey where there is none."""
    finals = {trial.name: score(trial, PSNR) for trial in trials}
    known = {name: value for name, value in finals.items() if value is not None}
    shades: dict[str, str] = {}
    if known:
        scale = score_scale(list(known.values()))
        shades = dict(zip(known, colours(scale, list(known.values())), strict=True))
        add_colour_bar(figure, axes, scale)
    for trial in reversed(trials):
        _draw_curve(axes, trial, shades.get(trial.name, FAINT), "-")


def _draw_named(axes: Axes, trials: Sequence[TrialOutcome]) -> None:
    styles = cycle((colour, dash) for dash, colour in product(DASHES, CATEGORIES))
    for trial, (colour, dash) in zip(trials, styles, strict=False):
        ending = "" if trial.state == "finished" else f", {trial.state}"
        _draw_curve(axes, trial, colour, dash, label=plain(title(trial)) + ending)


def _draw_curve(
    axes: Axes, trial: TrialOutcome, colour: str, dash: str, label: str | None = None
) -> None:
    """Draw a curve, with a mark at its last point that says how the trial ended."""
    steps, values = zip(*finite_curve(trial), strict=True)
    axes.plot(steps, values, color=colour, linestyle=dash, linewidth=1.7, label=label)
    axes.plot(steps[-1], values[-1], color=colour, marker=_ENDINGS.get(trial.state, "o"))


def draw_published(trials: Sequence[tuple[TrialOutcome, float, float]]) -> Image.Image:
    """Draw our PSNR against the paper's: trial, published, ours."""
    figure = new_figure(4.4)
    axes = figure.add_subplot()
    tidy(axes, x="PSNR published, dB", y="PSNR of PRA here, dB")
    axes.margins(0.14)
    for _, published, ours in trials:
        axes.plot(published, ours, "o", color=BLUE, markersize=7)
    figure.draw_without_rendering()
    name_points(axes, [(published, ours, title(trial)) for trial, published, ours in trials])
    return to_image(figure)


def draw_orders(comparison: Comparison, named: Sequence[Standing]) -> Image.Image:
    """Draw each trial's PSNR against its LPIPS, marking the trials that the words name."""
    figure = new_figure(4.6)
    axes = figure.add_subplot()
    tidy(axes, x="PSNR of PRA, dB (to the right is better)", y="LPIPS (higher up is better)")
    axes.margins(0.14)
    chosen = {standing.trial.name for standing in named}
    for standing in comparison.standings:
        marked = standing.trial.name in chosen
        axes.plot(
            standing.psnr, standing.lpips, "D" if marked else "o",
            color=ORANGE if marked else BLUE, markersize=8 if marked else 6,
        )  # fmt: skip
    axes.invert_yaxis()
    figure.draw_without_rendering()
    labelled = comparison.standings if len(comparison.standings) <= NAMED_CURVES else named
    name_points(axes, [(each.psnr, each.lpips, title(each.trial)) for each in labelled])
    return to_image(figure)
