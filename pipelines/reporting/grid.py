"""Comparison grids: rows of pictures under column headers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP = 6
_LINE = 22
_FONT = 13
_TILE = 160
_BACKGROUND = (255, 255, 255)
_FRAME = (160, 160, 160)
_INK = (30, 30, 30)
_PARTS = re.compile(r" ?[^ /_-]*[/_-]+| ?[^ /_-]+")
"""Words, and what hyphens, underscores and slashes divide them into."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def comparison_grid(
    rows: Sequence[Sequence[np.ndarray | None]],
    headers: Sequence[str],
    *,
    notes: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
) -> Image.Image:
    """Draw rows of pictures under column headers, each in a thin frame that hides none of it.

    Args:
        rows: equally long rows of uint8 (H, W, 3), all shown at one size; None leaves a place
            empty, but not the first of all.
        headers: one for each column, wrapped to its width; or all empty for none.
        notes: one for each row, written under it in full; none for no notes.
        captions: one for each picture, row by row, written under it; none for no captions.

    """
    first = rows[0][0]
    assert first is not None
    tile = max(_TILE, first.shape[0])
    # Letters grow with the tiles: wide pictures are shown scaled down.
    line = _LINE * tile // _TILE
    font = ImageFont.load_default(size=_FONT * tile // _TILE)
    wrapped = [_wrapped(text, font, tile) for text in headers]
    header = line * max(map(len, wrapped)) or _GAP
    row_height = tile + line * (bool(captions) + bool(notes)) + _GAP
    longest = max((ceil(font.getlength(note)) for note in notes), default=0)
    width = max(len(headers) * (tile + _GAP), longest + _GAP) + _GAP
    canvas = Image.new("RGB", (width, header + len(rows) * row_height + _GAP), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for column, lines in enumerate(wrapped):
        top = header - len(lines) * line
        _write(draw, lines, (_left(column, tile) + tile // 2, top), font, line)
    for index, row in enumerate(rows):
        top = header + index * row_height
        _show(canvas, row, top, tile)
        for column, caption in enumerate(captions[index] if captions else ()):
            below = _left(column, tile) + tile // 2, top + tile
            _write(draw, [caption], below, font, line)
        if notes:
            below = _GAP, top + row_height - _GAP - line + 3
            draw.text(below, notes[index], fill=_INK, font=font)
    return canvas


def _left(column: int, tile: int) -> int:
    return _GAP + column * (tile + _GAP)


def _show(canvas: Image.Image, row: Sequence[np.ndarray | None], top: int, tile: int) -> None:
    """Put a row of pictures in their places, each framed."""
    draw = ImageDraw.Draw(canvas)
    for column, picture in enumerate(row):
        if picture is None:
            continue
        left = _left(column, tile)
        # Without it, holes at the border would run into the paper.
        draw.rectangle((left - 1, top - 1, left + tile, top + tile), outline=_FRAME)
        # Nearest neighbour: the pixels are what is being judged.
        shown = Image.fromarray(picture).resize((tile, tile), Image.Resampling.NEAREST)
        canvas.paste(shown, (left, top))


def _write(
    draw: ImageDraw.ImageDraw, lines: Sequence[str], place: tuple[int, int], font: Font, line: int
) -> None:
    """Write lines under each other, centred under a place."""
    centre, top = place
    for index, text in enumerate(lines):
        middle = top + index * line + line // 2 + 2
        draw.text((centre, middle), text, fill=_INK, font=font, anchor="mm")


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """Break a text into lines of a width in pixels, where words or their parts end if it can."""
    lines = [""]
    for part in _PARTS.findall(" ".join(text.split())):
        if font.getlength(lines[-1] + part) > width:
            lines.append("")
        for letter in part if lines[-1] else part.lstrip():
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]
