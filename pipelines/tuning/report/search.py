"""The section on a search over numbers: what the scores have to do with them."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.reporting.document import MISSING, Block, Column, Picture, Section, Table, Words
from pipelines.tuning.outcome import CampaignOutcome, TrialOutcome
from pipelines.tuning.report.ranking import (
    HIGHER_IS_BETTER,
    LPIPS,
    MAE,
    PSNR,
    SSIM,
    Dimension,
    by_psnr,
    chance_level,
    dimensions,
    shared_scores,
    spearman,
    title,
)
from pipelines.tuning.report.search_charts import draw_correlations, draw_parallel, draw_scatters

FEW = 10
"""Trials under which a rank correlation says little."""
_LEAST = 3
_HEADERS = {PSNR: "PSNR ↑", SSIM: "SSIM ↑", MAE: "MAE ↓", LPIPS: "LPIPS ↓"}


def search(outcome: CampaignOutcome) -> Section | None:
    """Draw scores against the numbers searched over; None where a campaign searches over none."""
    if not _is_search(outcome):
        return None
    ranked = by_psnr(outcome.trials)
    blocks = _blocks(dimensions(outcome.kind, ranked), ranked)
    return Section(anchor="search", title="What the score depends on", blocks=tuple(blocks))


def _is_search(outcome: CampaignOutcome) -> bool:
    """Tell whether two numbers or more set the planned trials apart."""
    weights = outcome.kind in ("table1", "table1-rows")
    return weights or len(dimensions(outcome.kind, outcome.trials)) >= 2


def _blocks(searched: Sequence[Dimension], ranked: Sequence[TrialOutcome]) -> list[Block]:
    if len(ranked) < 2:
        text = (
            f"Parallel coordinates, scatters and rank correlations need at least two finished "
            f"trials; there {'is one' if ranked else 'are none'}."
        )
        return [Words(text=text, tone="warning")]
    if not searched:
        return [Words(text="The finished trials do not differ in any number.", tone="warning")]
    shared = shared_scores(ranked, PSNR)
    assert shared is not None, "trials are ranked by a PSNR that they have"
    (psnr,) = shared
    blocks: list[Block] = [
        _parallel(searched, psnr),
        _scatters(searched, psnr, list(map(title, ranked))),
    ]
    if len(ranked) < _LEAST:
        text = f"Rank correlations need at least {_LEAST} finished trials; there are {len(ranked)}."
        return [*blocks, Words(text=text, tone="warning")]
    return [*blocks, *_correlations(searched, ranked)]


def _parallel(searched: Sequence[Dimension], psnr: Sequence[float]) -> Picture:
    return Picture(
        file="parallel.png",
        image=draw_parallel(searched, psnr),
        title="Parallel coordinates",
        caption="One line a trial, coloured by its PSNR; the thick one is the best. Each vertical "
        "axis runs from the smallest to the largest value tried, by orders of magnitude where they "
        "spread. Where light lines meet on an axis, good trials agree on that number.",
    )


def _scatters(searched: Sequence[Dimension], psnr: Sequence[float], names: list[str]) -> Picture:
    return Picture(
        file="scatter.png",
        image=draw_scatters(searched, psnr, names),
        title="PSNR against each number",
        caption="One point a trial; the best three are named. A cloud that climbs says that more "
        "of the number goes with a higher PSNR, a level one that it does not matter here.",
    )


def _correlations(searched: Sequence[Dimension], ranked: Sequence[TrialOutcome]) -> list[Block]:
    measured = {name: shared_scores(ranked, name) for name in _HEADERS}
    scores = {name: lists[0] for name, lists in measured.items() if lists is not None}
    table = [
        [spearman(dimension.values, values) for values in scores.values()] for dimension in searched
    ]
    headers = [_HEADERS[name] for name in scores]
    names = [dimension.name for dimension in searched]
    picture = Picture(
        file="correlation.png",
        image=draw_correlations(
            names, headers, table, [1 if HIGHER_IS_BETTER[name] else -1 for name in scores]
        ),
        title="Rank correlations",
        caption="Blue: more of the number went with a better score; orange: with a worse one. For "
        "MAE and LPIPS, lower is better, so blue cells hold negative correlations.",
    )
    warning = reliability(len(ranked), len(searched) * len(scores))
    return [warning, _correlation_table(names, headers, table, len(ranked)), picture]


def reliability(trials: int, cells: int) -> Words:
    """Say how much of a correlation chance alone makes."""
    chance = (
        f"Of {cells} correlations of {trials} trials, chance alone would put about "
        f"{max(1, round(cells / 20))} beyond ±{chance_level(trials):.2f}."
    )
    if trials < FEW:
        return Words(text=f"{trials} trials are few: these mean little. {chance}", tone="warning")
    return Words(text=chance)


def _correlation_table(
    names: Sequence[str],
    headers: Sequence[str],
    table: Sequence[Sequence[float | None]],
    trials: int,
) -> Table:
    columns = [Column(header="Number", cells=tuple(names), text=True)]
    for header, values in zip(headers, zip(*table, strict=True), strict=True):
        cells = tuple(MISSING if value is None else f"{value:+.2f}" for value in values)
        columns.append(Column(header=header, cells=cells))
    caption = f"Rank correlation (Spearman) of each number with each score of PRA, {trials} trials."
    return Table(columns=tuple(columns), caption=caption)
