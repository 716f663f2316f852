"""Comparison grids: rows of pictures under column headers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP = 6
_HEADER = 22
_FONT = 13
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
        notes: one for each row, written under it in full; none for no notes.

    """
    tile = max(_TILE, rows[0][0].shape[0])
    # Letters grow with the tiles: wide pictures are shown scaled down.
    line = _HEADER * tile // _TILE
    font = ImageFont.load_default(size=_FONT * tile // _TILE)
    note_height = line if notes else 0
    header = line if any(headers) else _GAP
    longest = max((ceil(font.getlength(note)) for note in notes), default=0)
    width = max(len(headers) * (tile + _GAP), longest + _GAP) + _GAP
    row_height = tile + note_height + _GAP
    canvas = Image.new("RGB", (width, header + len(rows) * row_height + _GAP), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for column, text in enumerate(headers):
        centre = _GAP + column * (tile + _GAP) + tile // 2
        draw.text((centre, line // 2 + 2), text, fill=_INK, font=font, anchor="mm")
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
