"""Puts a report together and writes its files."""

from __future__ import annotations

from pathlib import Path

from pipelines.reporting.document import Document
from pipelines.reporting.writing import write_document
from pipelines.tuning.outcome import CampaignOutcome
from pipelines.tuning.report.export import write_csv
from pipelines.tuning.report.overview import overview, trials
from pipelines.tuning.report.perception import perception
from pipelines.tuning.report.results import curves, images, results
from pipelines.tuning.report.search import search

PICTURES = (
    "published.png", "parallel.png", "scatter.png", "correlation.png", "curves.png",
    "images-1.png", "images-2.png", "perception.png", "perception-images.png",
)  # fmt: skip
"""Every picture that a report may have."""


def compose(outcome: CampaignOutcome) -> Document:
    """Make the document of a campaign, finished or not."""
    searched = search(outcome)
    sections = (
        overview(outcome),
        results(outcome),
        images(outcome),
        perception(outcome),
        *((searched,) if searched else ()),
        curves(outcome),
        trials(outcome),
    )
    return Document(title=f"Campaign {outcome.name}", sections=sections)


def write_report(outcome: CampaignOutcome, folder: Path) -> list[Path]:
    """Write report.md, report.html, trials.csv and the pictures, in place of older ones.

    Works at any time of a campaign: what cannot be drawn yet is said in words.

    Returns:
        The files written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:  # an older report may have had one that this one lacks
        (folder / name).unlink(missing_ok=True)
    written = write_document(compose(outcome), folder)
    table = folder / "trials.csv"
    write_csv(outcome, table)
    return [*written, table]
