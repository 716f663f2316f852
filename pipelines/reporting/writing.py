"""Writes a document's files: report.md, report.html, and pictures and CSV tables beside them."""

from __future__ import annotations

import csv
from pathlib import Path

from pipelines.reporting.document import Document, Table
from pipelines.reporting.html import to_html
from pipelines.reporting.markdown import to_markdown

MARKDOWN, HTML = "report.md", "report.html"


def write_document(document: Document, folder: Path) -> list[Path]:
    """Write a document into an existing folder, in place of an older one; return the files."""
    pictures = [folder / picture.file for picture in document.pictures()]
    for path, picture in zip(pictures, document.pictures(), strict=True):
        picture.image.save(path)
    markdown, html = folder / MARKDOWN, folder / HTML
    markdown.write_text(to_markdown(document), encoding="utf-8")
    html.write_text(to_html(document), encoding="utf-8")
    tables = [table for table in document.tables() if table.file]
    for table in tables:
        _write_csv(table, folder / table.file)
    return [markdown, html, *pictures, *(folder / table.file for table in tables)]


def _write_csv(table: Table, path: Path) -> None:
    """Write a table's cells as they are printed."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([column.title for column in table.columns])
        writer.writerows(table.rows)
