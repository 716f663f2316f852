"""One look for all charts: canvas, colours that colour-blind readers tell apart, labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase
from PIL import Image

WIDTH = 7.0
"""Inches: narrow, so that letters stay readable on a telephone."""
INK, FAINT, PALE = "#222222", "#6b6b6b", "#d9d9d9"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # Okabe and Ito's
CATEGORIES = (BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8a6d3b")
DASHES = ("-", "--")

_DPI = 170
_FONT = 11
_SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0))
"""Where a name may stand: right or left of its point, above, below or level."""
_FORMULAS = {
    "L_l1": r"$\mathcal{L}_{\ell_1}$",
    "L_D": r"$\mathcal{L}_{D}$",
    "L_style": r"$\mathcal{L}_{style}$",
    "L_perc": r"$\mathcal{L}_{perc}$",
    "L_FM": r"$\mathcal{L}_{FM}$",
}
_LOG_SPREAD = 20
"""Largest over smallest value from which an axis is logarithmic."""


def new_figure(height: float) -> Figure:
    """Make an empty figure of the common width; height in inches."""
    figure = Figure(figsize=(WIDTH, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def to_image(figure: Figure) -> Image.Image:
    """Render a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def tidy(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Take away what distracts, and name the axes."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=_FONT - 1)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x, fontsize=_FONT, color=INK)
    axes.set_ylabel(y, fontsize=_FONT, color=INK)


def formula(name: str) -> str:
    """Set a loss weight as the paper does; leave any other name as it is."""
    return _FORMULAS.get(name, plain(name))


def plain(text: str) -> str:
    """Keep a user's text from being read as a formula."""
    return text.replace("$", r"\$")


def is_logarithmic(values: Sequence[float]) -> bool:
    """Tell whether values spread over orders of magnitude."""
    return min(values) > 0 and max(values) / min(values) >= _LOG_SPREAD


def score_colours() -> Colormap:
    """Colours from low (dark blue) to high (green yellow), without the yellow that white eats."""
    return ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.9, 256)))


def score_scale(values: Sequence[float]) -> ScalarMappable:
    """Spread the colours over the values."""
    low, high = min(values), max(values)
    margin = 0.0 if high > low else 0.5
    return ScalarMappable(Normalize(low - margin, high + margin), score_colours())


def colours(scale: ScalarMappable, values: Sequence[float]) -> list[str]:
    """Look up the colours of values."""
    return [to_hex(colour) for colour in scale.to_rgba(np.asarray(values, dtype=float))]


def add_colour_bar(figure: Figure, axes: Axes, scale: ScalarMappable) -> None:
    """Say what the colours mean."""
    bar = figure.colorbar(scale, ax=axes, pad=0.02, fraction=0.05)
    bar.set_label("PSNR of PRA, dB", fontsize=_FONT, color=INK)
    bar.ax.tick_params(labelsize=_FONT - 2)
    bar.outline.set_visible(False)


def name_points(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each point's name on the side of it where least is in the way.

    The figure must have been laid out, so that the points are where they will be.

    Args:
        axes: what the points are drawn in.
        points: x, y and the name of each.

    """
    centres = axes.transData.transform([(x, y) for x, y, _ in points])
    taken = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in centres]
    for x, y, name in points:
        labels = [_label(axes, x, y, name, side) for side in _SIDES]
        boxes = [label.get_window_extent() for label in labels]
        covered = [_covered(box, taken, axes.bbox) for box in boxes]
        kept = covered.index(min(covered))
        taken.append(boxes[kept])
        for index, label in enumerate(labels):
            if index != kept:
                label.remove()


def _label(axes: Axes, x: float, y: float, name: str, side: tuple[int, int]) -> Annotation:
    right, up = side
    return axes.annotate(
        plain(name), (x, y), xytext=(7 * right, 4 * up), textcoords="offset points",
        fontsize=_FONT - 2, color=INK, ha="left" if right > 0 else "right",
        va="bottom" if up > 0 else "top" if up < 0 else "center",
    )  # fmt: skip


def _covered(box: BboxBase, others: Sequence[BboxBase], inside: BboxBase) -> float:
    """Measure what a label lies over, and what of it is outside the axes, in pixels."""
    shared = [_area(Bbox.intersection(box, other)) for other in others]
    return sum(shared) + _area(box) - _area(Bbox.intersection(box, inside))


def _area(box: BboxBase | None) -> float:
    return 0.0 if box is None else float(box.width * box.height)
