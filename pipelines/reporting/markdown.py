"""A report as Markdown that reads in a terminal as well: wrapped lines, aligned tables."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

from pipelines.reporting.document import Block, Commands, Document, Picture, Table, Words

_WIDTH = 100


def to_markdown(document: Document) -> str:
    """Write a document as Markdown; its pictures are files beside it."""
    parts = [f"# {document.title}\n"]
    for section in document.sections:
        parts.append(f"## {section.title}\n")
        parts += [_block(block) for block in section.blocks]
    return "\n".join(parts)


def _block(block: Block) -> str:
    if isinstance(block, Words):
        return _paragraph(f"**Note:** {block.text}" if block.tone == "warning" else block.text)
    if isinstance(block, Table):
        return table_to_markdown(block)
    if isinstance(block, Picture):
        return f"![{block.title}]({block.file})\n\n" + _paragraph(block.caption)
    return _commands(block)


def _paragraph(text: str) -> str:
    # Whole words only: a command or a path that is broken cannot be copied.
    return (
        textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False).rstrip() + "\n"
    )


def table_to_markdown(table: Table) -> str:
    """Write a table and its caption, as a report or a terminal shows them."""
    headers = [_cell(column.title) for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    words = [index for index, column in enumerate(table.columns) if column.text]
    return markdown_table(headers, rows, words=words) + "\n" + _paragraph(table.caption)


def _cell(text: str) -> str:
    """Keep a user's text from ending its cell or its row."""
    return " ".join(text.splitlines()).replace("|", r"\|")


def _commands(commands: Commands) -> str:
    lines = [line for name, command in commands.entries for line in (f"# {name}", command)]
    return f"{commands.title}:\n\n```sh\n" + "\n".join(lines) + "\n```\n"


def markdown_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, words: Collection[int] = (0,)
) -> str:
    """Lay out a Markdown table: columns of words to the left, figures to the right."""
    widths = [max(3, *map(len, column)) for column in zip(headers, *rows, strict=True)]
    rule = [
        "-" * width if index in words else "-" * (width - 1) + ":"
        for index, width in enumerate(widths)
    ]
    return "\n".join(_table_row(row, widths, words) for row in (headers, rule, *rows)) + "\n"


def _table_row(cells: Sequence[str], widths: Sequence[int], words: Collection[int]) -> str:
    padded = [
        cell.ljust(width) if index in words else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"
