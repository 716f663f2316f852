"""Loss curves over each other, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PANELS = {"generator": "generator's loss", "l1": "pixel term"}


def draw(curves: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw each variant's terms by step, averaged a little; plain is the broad grey line below.

    Args:
        curves: by variant, the values of every step by term.
        path: PNG to write.

    """
    from matplotlib.figure import Figure  # nothing else here needs it
    from matplotlib.ticker import FormatStrFormatter

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    for axes, (term, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        for name, values in curves.items():
            smooth = _smooth(values[term])
            # The first values are of the start, and would squeeze all others.
            steps = np.arange(len(values[term]))[-len(smooth) :]
            style = _style(name)
            axes.plot(steps, smooth, label=name, **style)
        axes.set(title=title, xlabel="step", yscale="log")
        for axis_format in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            axis_format(FormatStrFormatter("%g"))
        axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def _style(name: str) -> dict[str, Any]:
    if name == "plain":
        return {"color": "0.7", "linewidth": 5}
    if name == "plain_other_seed":
        return {"color": "black", "linewidth": 1, "linestyle": ":"}
    return {"linewidth": 1}


def _smooth(values: Sequence[float]) -> np.ndarray:
    """Mean of each step and those shortly before it."""
    width = max(1, len(values) // 20)
    return np.convolve(values, np.full(width, 1 / width), mode="valid")
