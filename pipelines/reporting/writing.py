"""Writes a document's files: report.md, report.html, and its pictures beside them."""

from __future__ import annotations

from pathlib import Path

from pipelines.reporting.document import Document
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
    return [markdown, html, *pictures]
