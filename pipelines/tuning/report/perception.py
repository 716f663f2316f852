"""The section on numbers against looks: where PSNR and LPIPS rank trials differently."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.reporting.document import Block, Column, Picture, Section, Table, Words
from pipelines.reporting.grid import comparison_grid
from pipelines.tuning.outcome import CampaignOutcome
from pipelines.tuning.report.charts import draw_orders
from pipelines.tuning.report.disagreement import Comparison, Standing, compare
from pipelines.tuning.report.ranking import by_psnr, title
from pipelines.tuning.report.sheets import IMAGES

_SHIFTED = 8
"""Trials listed, those that move furthest."""


def perception(outcome: CampaignOutcome) -> Section:
    """Say which trials PSNR and LPIPS rank differently, and show the pair furthest apart."""
    blocks = _blocks(outcome, compare(outcome.trials))
    return Section(anchor="perception", title="Numbers against looks", blocks=tuple(blocks))


def _blocks(outcome: CampaignOutcome, comparison: Comparison) -> list[Block]:
    count = len(comparison.standings)
    if not by_psnr(outcome.trials):
        return [Words(text="No trial has a score yet.")]
    if count == 0:
        text = (
            "LPIPS, the perceptual score, was not measured. PSNR alone rewards blur: the paper "
            "found models of high PSNR whose images are extremely unpleasant, so judge by the "
            "images themselves."
        )
        return [Words(text=text, tone="warning")]
    if count == 1:
        return [Words(text="One trial has both scores; there is nothing to compare it with.")]
    text = _agreement(comparison)
    if not comparison.reversed_pairs:
        return [Words(text=text)]
    pair = comparison.reversed_pairs[0]
    blocks: list[Block] = [Words(text=f"{text} {name_pair(*pair)}"), _orders(comparison, pair)]
    return [*blocks, *_photographs(outcome, pair), _shifts(comparison)]


def _agreement(comparison: Comparison) -> str:
    """Count the pairs in opposite order."""
    opposite = len(comparison.reversed_pairs)
    pairs = f"{comparison.pairs} pair" + ("s" if comparison.pairs > 1 else "")
    text = f"Of {pairs} of trials, PSNR and LPIPS put {opposite or 'none'} in opposite order."
    if comparison.correlation is not None:
        text += (
            f" Rank correlation of the two orders: {comparison.correlation:+.2f} "
            "(+1 is the same order, -1 the opposite one)."
        )
    return text


def name_pair(by_numbers: Standing, by_eye: Standing) -> str:
    """Say in words how two trials trade places."""
    return (
        f"Furthest apart: by PSNR, {title(by_numbers.trial)} (place {by_numbers.psnr_rank}, "
        f"{by_numbers.psnr:.2f} dB) beats {title(by_eye.trial)} (place {by_eye.psnr_rank}, "
        f"{by_eye.psnr:.2f} dB); by LPIPS, {title(by_eye.trial)} (place {by_eye.lpips_rank}, "
        f"{by_eye.lpips:.3f}) beats {title(by_numbers.trial)} (place {by_numbers.lpips_rank}, "
        f"{by_numbers.lpips:.3f})."
    )


def _orders(comparison: Comparison, pair: tuple[Standing, Standing]) -> Picture:
    return Picture(
        file="perception.png",
        image=draw_orders(comparison, pair),
        title="PSNR against LPIPS",
        caption="One point a trial, better to the right by PSNR and better upwards by LPIPS. The "
        "diamonds are the pair named above: one is further right, the other higher.",
    )


def _photographs(outcome: CampaignOutcome, pair: tuple[Standing, Standing]) -> list[Block]:
    """Show the images of a pair under each other."""
    composites = [standing.trial.composites for standing in pair]
    present = [pictures for pictures in composites if pictures is not None]
    rows = [outcome.ground_truth, outcome.corrupted, *present]
    count = min(IMAGES, *(len(row) for row in rows))
    if len(present) < len(pair) or not count:
        return []
    notes = ["ground truth", "corrupted"]
    notes += [
        f"{title(standing.trial)}, better by {name}: {standing.psnr:.2f} dB, "
        f"LPIPS {standing.lpips:.3f}"
        for standing, name in zip(pair, ("PSNR", "LPIPS"), strict=True)
    ]
    picture = Picture(
        file="perception-images.png",
        image=comparison_grid([list(row[:count]) for row in rows], [""] * count, notes=notes),
        title="The pair that the scores disagree on",
        caption="The same images under both trials of the pair: which would you choose?",
        photographic=True,
    )
    return [picture]


def _shifts(comparison: Comparison) -> Table:
    shifted = comparison.shifted()
    shown: Sequence[Standing] = shifted[:_SHIFTED]
    columns = (
        Column(header="Trial", cells=tuple(title(each.trial) for each in shown), text=True),
        Column(header="Place by PSNR", cells=tuple(str(each.psnr_rank) for each in shown)),
        Column(header="Place by LPIPS", cells=tuple(str(each.lpips_rank) for each in shown)),
        Column(header="PSNR ↑", cells=tuple(f"{each.psnr:.2f}" for each in shown)),
        Column(header="LPIPS ↓", cells=tuple(f"{each.lpips:.3f}" for each in shown)),
        Column(header="Reading", cells=tuple(map(_reading, shown)), text=True),
    )
    rest = len(shifted) - len(shown)
    caption = "Trials whose places differ, the furthest first."
    return Table(columns=columns, caption=caption + (f" {rest} more move less." if rest else ""))


def _reading(standing: Standing) -> str:
    places = f"{abs(standing.shift)} place" + ("s" if abs(standing.shift) > 1 else "")
    return f"looks {'worse' if standing.shift > 0 else 'better'} than its PSNR, by {places}"
