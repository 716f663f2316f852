"""Who beats whom: paired differences to the first candidate, item by item."""

from __future__ import annotations

from collections.abc import Sequence

from isnet.masks import bucket_name
from pipelines.evaluation.report.cells import (
    hashed_table,
    measured,
    show_difference,
    subject_columns,
)
from pipelines.evaluation.results import Difference, Results
from pipelines.reporting.document import Block, Column, Section, Table, Words
from pipelines.reporting.figures import PSNR, Score

_STAR = (
    "* marks an interval without 0. Where nothing differs, about one interval in twenty has a star "
    "by chance, so a lone star among many is weak evidence."
)


def differences(results: Results) -> Section:
    """Compare every subject with the reference, over all items and by hole ratio."""
    title = "Differences, item by item"
    if not results.from_reference():
        nothing = Words(text=f"There is nothing that {results.reference.title} compares with.")
        return Section(anchor="differences", title=title, blocks=(nothing,))
    blocks: tuple[Block, ...] = (
        Words(text=_explanation(results)),
        difference_table(results),
        psnr_table(results),
    )
    return Section(anchor="differences", title=title, blocks=blocks)


def _explanation(results: Results) -> str:
    return (
        f"Each row minus {results.reference.title}, on the same image under the same mask, then "
        "averaged: what the images and masks have in common cancels out, so that differences "
        "are surer than the means are. Where higher is better (↑) a plus is a gain, where lower "
        "is better (↓) a minus is. All other pairs are in differences.csv."
    )


def difference_table(results: Results) -> Table:
    """Lay out the differences of every score over all items."""
    rows = results.from_reference()
    columns = subject_columns([row.subject for row in rows])
    columns += [_score_column(score.header, rows, score) for score in measured(results)]
    compared = [row.estimates[PSNR.name] for row in rows]
    columns += [
        Column(header="items", cells=tuple(f"{each.count:,}" for each in compared)),
        Column(header="left out", cells=tuple(f"{each.left_out:,}" for each in compared)),
    ]
    caption = (
        f"Mean differences to {results.reference.title} on composites, with 95 % intervals. "
        f"{_STAR} Items are those that both have scores of and whose PSNR is finite in both; left "
        "out, from PSNR alone, are those where it is infinite in either."
    )
    return hashed_table(columns, caption, results.work_hash)


def psnr_table(results: Results) -> Table:
    """Lay out the differences of PSNR by hole ratio."""
    subjects = [row.subject for row in results.from_reference()]
    columns = subject_columns(subjects)
    columns += [
        _score_column(
            f"{bucket_name(bucket)} ({results.items[bucket]:,})",
            results.from_reference(bucket),
            PSNR,
        )
        for bucket in results.buckets
        if results.items[bucket]
    ]
    caption = (
        f"Differences of PSNR, dB, to {results.reference.title} by hole ratio, with 95 % "
        f"intervals; in brackets the number of items. {_STAR}"
    )
    return hashed_table(columns, caption, results.work_hash)


def _score_column(header: str, rows: Sequence[Difference], score: Score) -> Column:
    cells = tuple(show_difference(score, row.estimates[score.name]) for row in rows)
    return Column(header=header, cells=cells)
