"""Puts an evaluation's report together and writes its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.report.averages import averages
from pipelines.evaluation.report.buckets import bucket_section, bucket_table
from pipelines.evaluation.report.differences import differences
from pipelines.evaluation.report.export import DIFFERENCES, LATENCY, SUMMARY, write_tables
from pipelines.evaluation.report.failures import failures
from pipelines.evaluation.report.latency import latency_section
from pipelines.evaluation.report.networks import networks
from pipelines.evaluation.report.overview import overview, summary_table
from pipelines.evaluation.results import Results
from pipelines.reporting.document import Block, Document, Picture, Section, Table, Words
from pipelines.reporting.writing import write_document

FIGURE_FILES = frozenset(
    {f"figure{number}.png" for number in range(5, 10)}
    | {"passes.png", "buckets.png", "passes-histogram.png"}
)
"""Pictures that any report may have."""
TABLE_FILES = frozenset(
    {f"table{number}.csv" for number in (3, 5, 6, 7, 8)}
    | {"passes.csv", SUMMARY, DIFFERENCES, LATENCY}
)
"""CSV files that any report may have."""


def compose(outcome: EvaluationOutcome, results: Results, figures: Sequence[Picture]) -> Document:
    """Make the document of an evaluation."""
    sections = (
        overview(outcome, results),
        bucket_section(outcome, results),
        differences(results),
        _figures(figures),
        networks(outcome, results),
        latency_section(outcome, results.work_hash),
        averages(results),
        failures(outcome.scores, results.work_hash),
    )
    return Document(title="Evaluation", sections=sections)


def write_report(
    outcome: EvaluationOutcome, results: Results, figures: Sequence[Picture], folder: Path
) -> list[Path]:
    """Write report.html, report.md, their pictures, and the CSV tables.

    Args:
        outcome: what was measured.
        results: its means and differences.
        figures: pictures of filled images, to be shown in this order.
        folder: empty; an older report's files that this one has none of would stay.

    Returns:
        The files written.

    """
    written = write_document(compose(outcome, results, figures), folder)
    return [*written, *write_tables(results, outcome.timings, folder)]


def terminal_tables(outcome: EvaluationOutcome, results: Results) -> tuple[Table, Table]:
    """Lay out what a terminal shows: the means over all items, and ours by hole ratio."""
    by_bucket = bucket_table(outcome, results)
    ours = tuple(column for column in by_bucket.columns if not column.published)
    caption = f"Means on composites with 95 % intervals by hole ratio. Work {results.work_hash}."
    return summary_table(results), replace(by_bucket, columns=ours, caption=caption)


def _figures(figures: Sequence[Picture]) -> Section:
    nothing: tuple[Block, ...] = (Words(text="No figures were drawn."),)
    return Section(anchor="figures", title="Figures", blocks=tuple(figures) or nothing)
