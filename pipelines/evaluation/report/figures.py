"""The paper's Figures 5 to 9 again, on an evaluation's own examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from isnet.masks import BUCKETS, bucket_name, bucket_of
from pipelines.evaluation.outcome import Candidate, Examples, Published
from pipelines.evaluation.pictures import with_white_holes
from pipelines.evaluation.report.figure6 import mask_growth_figure
from pipelines.evaluation.rows import ONE_SHOT, PRA
from pipelines.reporting.document import Picture
from pipelines.reporting.grid import comparison_grid

_LARGE_BUCKETS = 2
"""How many buckets, from the one with the largest holes, Figure 7 shows."""
_GALLERY: dict[Published, int] = {"places2": 8, "celeba": 9}
"""The paper's gallery of each data set."""

_Column = tuple[str, np.ndarray]
"""A header, and pictures uint8 (K, H, W, 3)."""


def figures(
    candidates: Sequence[Candidate], examples: Examples, published: Published
) -> list[Picture]:
    """Draw the figures that there are pictures for.

    Args:
        candidates: in the order of the tables.
        examples: what they made of the same few items.
        published: whose gallery it is, that of Figure 8 or of Figure 9.

    """
    if not examples.items:
        return []
    networks = [candidate for candidate in candidates if PRA in candidate.methods]
    drawn: list[Picture | None] = [_networks_side_by_side(networks, examples)]
    if networks:
        drawn += [mask_growth_figure(examples.valid), _one_shot_against_pra(networks, examples)]
    drawn.append(_gallery(candidates, examples, _GALLERY[published]))
    return [picture for picture in drawn if picture is not None]


def _networks_side_by_side(networks: Sequence[Candidate], examples: Examples) -> Picture | None:
    """Figure 5, where there are two networks or more."""
    columns = [
        (network.name, examples.composites[network.name, ONE_SHOT])
        for network in networks
        if (network.name, ONE_SHOT) in examples.composites
    ]
    if len(columns) < 2:
        return None
    caption = (
        "The same images under every network, as in the paper's Figure 5: by one-shot prediction, "
        "which shows what a network itself has learnt; the paper compares objectives this way "
        "before it brings in the progressive reconstruction (PRA)."
    )
    return Picture(
        file="figure5.png",
        image=_draw(examples, [_corrupted(examples), *columns, _ground_truth(examples)]),
        title="Figure 5: networks side by side",
        caption=caption + _left_out(len(networks) - len(columns)) + _losses(networks, columns),
        photographic=True,
    )


def _losses(networks: Sequence[Candidate], columns: Sequence[_Column]) -> str:
    """Say under which losses the networks shown were trained, as far as that is known."""
    shown = [name for name, _ in columns]
    known = [
        f"{network.name}: {network.facts['loss']}"
        for network in networks
        if network.name in shown and network.facts.get("loss")
    ]
    return f" Loss of {'; '.join(known)}." if known else ""


def _one_shot_against_pra(networks: Sequence[Candidate], examples: Examples) -> Picture | None:
    """Figure 7, for the first network."""
    name = networks[0].name
    shown, buckets = _largest_holes(examples.valid)
    if not shown or not {(name, ONE_SHOT), (name, PRA)} <= examples.composites.keys():
        return None
    which = f" (the first of the {len(networks)} networks)" if len(networks) > 1 else ""
    columns = [
        _ground_truth(examples),
        _corrupted(examples),
        ("one-shot", examples.composites[name, ONE_SHOT]),
        ("PRA", examples.composites[name, PRA]),
    ]
    return Picture(
        file="figure7.png",
        image=_draw(examples, columns, shown),
        title="Figure 7: what the progressive reconstruction brings where holes are large",
        caption=f"One-shot prediction and PRA by {name}{which}, as in the paper's Figure 7: "
        f"the examples with the largest holes, {' and '.join(map(bucket_name, buckets))}.",
        photographic=True,
    )


def _gallery(candidates: Sequence[Candidate], examples: Examples, number: int) -> Picture | None:
    """Figure 8 or 9: every candidate as it does best, networks by PRA."""
    columns = [
        (_heading(candidate), examples.composites[candidate.name, candidate.methods[-1]])
        for candidate in candidates
        if (candidate.name, candidate.methods[-1]) in examples.composites
    ]
    if not columns:
        return None
    caption = (
        f"Every model and classical method on the same images, as in the paper's Figure {number}; "
        "networks by the progressive reconstruction (PRA), the paper's proposal. Smaller holes "
        "first."
    )
    return Picture(
        file=f"figure{number}.png",
        image=_draw(examples, [_corrupted(examples), *columns, _ground_truth(examples)]),
        title=f"Figure {number}: gallery",
        caption=caption + _left_out(len(candidates) - len(columns)),
        photographic=True,
    )


def _heading(candidate: Candidate) -> str:
    return f"{candidate.name} + PRA" if PRA in candidate.methods else candidate.name


def _draw(
    examples: Examples, columns: Sequence[_Column], shown: Sequence[int] | None = None
) -> Image.Image:
    """Draw columns of pictures; a row an example, all of them or those that are `shown`."""
    chosen = range(len(examples.items)) if shown is None else shown
    rows = [[pictures[index] for _, pictures in columns] for index in chosen]
    notes = [
        f"item {examples.items[index]}, hole {(~examples.valid[index]).mean():.0%}"
        for index in chosen
    ]
    return comparison_grid(rows, [header for header, _ in columns], notes=notes)


def _corrupted(examples: Examples) -> _Column:
    return "corrupted", with_white_holes(examples.ground_truth, examples.valid)


def _ground_truth(examples: Examples) -> _Column:
    return "ground truth", examples.ground_truth


def _largest_holes(valid: np.ndarray) -> tuple[list[int], list[int]]:
    """Find the examples of the highest buckets that occur; return their places, and the buckets."""
    buckets = [bucket_of((~known).mean()) for known in valid]
    highest = [bucket for bucket in range(len(BUCKETS)) if bucket in buckets][-_LARGE_BUCKETS:]
    return [index for index, bucket in enumerate(buckets) if bucket in highest], highest


def _left_out(count: int) -> str:
    """Say how many have no column."""
    if not count:
        return ""
    return f" {count} of them failed and {'is' if count == 1 else 'are'} left out."
