"""What `benchmarks.cost` says of its measurements: the curve as a table, and the memory's bound."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.devices import find_device, where
from benchmarks.measuring import Report, median
from benchmarks.options import settings
from benchmarks.processes import failures

if TYPE_CHECKING:
    from benchmarks.cost import CostOptions

AXES = {"size": "sizes", "hole": "holes", "batch": "batches"}
"""What is varied, and the option that says through what."""


_BOUNDED = (
    "Memory is bounded: no pass computes more than {:,} pixels at a time, however large the "
    "images, the holes and the batch; only the images themselves go on growing."
)
_UNBOUNDED = "Memory is not bounded: passes compute whole images."


def report(
    config: CostOptions, found: Sequence[dict[str, Any]], failed: Mapping[str, str]
) -> Report:
    """Lay the curve out."""
    left_out = ("output", "figure", *AXES, *AXES.values())
    said = settings(config, device=found[0]["device"], left_out=left_out)
    said |= {"precision": found[0]["precision"], "context": found[0]["context"] or "image"}
    return Report(
        title="What filling costs",
        machine=where(find_device(config.device)),
        settings=said,
        headers=[
            "varied",
            "size",
            "hole, %",
            "batch",
            "passes",
            "s an image",
            "s a megapixel",
            "peak MiB",
        ],
        rows=[_row(point) for point in found],
        figures={"points": list(found), "failed": dict(failed)},
        notes=[bound(config, found), *failures(failed)],
    )


def _row(point: dict[str, Any]) -> list[str]:
    an_image = median(point["seconds"]) / point["batch"]
    return [
        point["axis"],
        str(point["size"]),
        f"{point['hole']:g}",
        str(point["batch"]),
        f"{statistics.mean(point['passes']):.1f}",
        f"{an_image:.3g}",
        f"{an_image / (point['size'] ** 2 / 1e6):.3g}",
        f"{point['peak_bytes'] / 2**20:,.0f}",
    ]


def bound(config: CostOptions, found: Sequence[dict[str, Any]]) -> str:
    """State what memory is bounded by, and the most that was seen."""
    most = max(found, key=lambda point: point["peak_bytes"])
    within = [p for p in found if p["batch"] * p["size"] ** 2 <= config.max_pixels]
    beyond = [p for p in found if p not in within]
    tiled = all(point["context"] is not None for point in found)
    text = _BOUNDED.format(config.max_pixels) if tiled else _UNBOUNDED
    text += (
        f" The most was {most['peak_bytes'] / 2**20:,.0f} MiB, at size {most['size']}, "
        f"hole {most['hole']:g} %, batch {most['batch']}."
    )
    for label, points in (("no more", within), ("more", beyond)):
        if points:
            peak = max(point["peak_bytes"] for point in points) / 2**20
            limit = f"of {label} pixels than {config.max_pixels:,}"
            text += f" In batches {limit}: at most {peak:,.0f} MiB."
    return text + (
        " Peak memory is what the process grew by (on a GPU: what PyTorch had allocated), the "
        "network included, Python and PyTorch not. Photographs are 576 pixels high; larger images "
        "are enlarged ones."
    )
