"""Charts of an evaluation: PSNR by hole ratio, and how many passes PRA took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from isnet.masks import bucket_name
from pipelines.evaluation.results import Results, Subject
from pipelines.evaluation.rows import ONE_SHOT
from pipelines.reporting.drawing import (
    CATEGORIES,
    DASHES,
    INK,
    new_figure,
    plain,
    tidy,
    to_image,
)

_SPREAD = 0.4
"""Share of the way to the next hole ratio that the marks of one are spread over."""
_MARKERS, _HATCHES = ("o", "s", "^", "D"), (None, "//", "..", "xx")
"""What tells models apart that have the same colour, for want of more of them."""


def draw_buckets(results: Results, subjects: Sequence[Subject]) -> Image.Image:
    """Draw PSNR with its interval by hole ratio: a colour a model, one-shot dashed."""
    figure = new_figure(4.6)
    axes = figure.add_subplot()
    tidy(axes, x="hole ratio", y="PSNR of composites, dB")
    shifts = _shifts(len(subjects))
    models = list(dict.fromkeys(subject.model for subject in subjects))
    for index, subject in enumerate(subjects):
        place = models.index(subject.model)
        points = [(b, results.group(subject, b).estimates["psnr"]) for b in results.buckets]
        known = [(bucket, each, each.mean) for bucket, each in points if each.mean is not None]
        places = [bucket + shifts[index] for bucket, _, _ in known]
        means = [mean for _, _, mean in known]
        below = [0.0 if each.low is None else mean - each.low for _, each, mean in known]
        above = [0.0 if each.high is None else each.high - mean for _, each, mean in known]
        axes.errorbar(
            places, means, yerr=np.maximum((below, above), 0), label=plain(subject.title),
            color=CATEGORIES[place % len(CATEGORIES)], linestyle=DASHES[subject.method == ONE_SHOT],
            marker=_MARKERS[place // len(CATEGORIES) % len(_MARKERS)], markersize=5,
            linewidth=1.7, capsize=3,
        )  # fmt: skip
    axes.set_xticks(results.buckets, [bucket_name(bucket) for bucket in results.buckets])
    axes.set_xlim(results.buckets[0] - 0.5, results.buckets[-1] + 0.5)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    return to_image(figure)


def draw_passes_taken(counts: Mapping[str, Mapping[int, int]]) -> Image.Image:
    """Draw how many items took how many passes: bars side by side, a colour a model."""
    figure = new_figure(3.8)
    axes = figure.add_subplot()
    tidy(axes, x="passes of PRA", y="items")
    axes.grid(axis="x", visible=False)
    longest = max(max(taken) for taken in counts.values())
    width = 0.8 / len(counts)
    for index, (model, taken) in enumerate(counts.items()):
        repeats, colour = divmod(index, len(CATEGORIES))
        places = np.arange(1, longest + 1) + (index - (len(counts) - 1) / 2) * width
        heights = [taken.get(passes, 0) for passes in range(1, longest + 1)]
        axes.bar(
            places, heights, width=width * 0.92, color=CATEGORIES[colour], label=plain(model),
            hatch=_HATCHES[repeats % len(_HATCHES)], edgecolor=INK, linewidth=0.4,
        )  # fmt: skip
    axes.set_xticks(range(1, longest + 1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    return to_image(figure)


def _shifts(count: int) -> np.ndarray:
    """Set marks of one place side by side."""
    return np.linspace(-_SPREAD / 2, _SPREAD / 2, count) if count > 1 else np.zeros(1)
