"""Pictures and tables for people: comparison grids as PNG, figures as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP = 6
_HEADER = 22
_TILE = 160
_BACKGROUND = (255, 255, 255)
_INK = (30, 30, 30)


def comparison_grid(
    rows: Sequence[Sequence[np.ndarray]], headers: Sequence[str], *, notes: Sequence[str] = ()
) -> Image.Image:
    """Draw rows of pictures under column headers.

    Args:
        rows: equally long rows of uint8 (H, W, 3); all pictures are shown at one size.
        headers: one for each column, or all empty for none.
        notes: one for each row, written under it; none for no notes.

    """
    tile = max(_TILE, rows[0][0].shape[0])
    note_height = _HEADER if notes else 0
    header = _HEADER if any(headers) else _GAP
    width = len(headers) * (tile + _GAP) + _GAP
    row_height = tile + note_height + _GAP
    canvas = Image.new("RGB", (width, header + len(rows) * row_height + _GAP), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=13)
    for column, text in enumerate(headers):
        centre = _GAP + column * (tile + _GAP) + tile // 2
        draw.text((centre, _HEADER // 2 + 2), text, fill=_INK, font=font, anchor="mm")
    for index, row in enumerate(rows):
        top = header + index * row_height
        for column, picture in enumerate(row):
            left = _GAP + column * (tile + _GAP)
            # Nearest neighbour: the pixels are what is being judged.
            shown = Image.fromarray(picture).resize((tile, tile), Image.Resampling.NEAREST)
            canvas.paste(shown, (left, top))
        if notes:
            draw.text((_GAP, top + tile + 3), notes[index], fill=_INK, font=font)
    return canvas


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table: the first column to the left, figures to the right."""
    widths = [max(3, *map(len, column)) for column in zip(headers, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_table_row(row, widths) for row in (headers, rule, *rows)) + "\n"


def _table_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if index else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"
