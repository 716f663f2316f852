"""A few pictures of a job before and after, to be looked at."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from isnet.canvas import Picture, size_of
from isnet.config import InputError
from isnet.masks import hole_from_mask
from pipelines.bulk.collection import Collection
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.masking import mask_of
from pipelines.bulk.results import DONE, Row, read_part
from pipelines.codec import preview, read_upload
from pipelines.logs import warn
from pipelines.reporting.grid import comparison_grid
from pipelines.storage import open_filesystem, read_bytes

_log = logging.getLogger(__name__)

_ROWS = 6
_SIDE = 240
_HOLE = (255, 0, 255)


def draw_samples(
    collection: Collection, config: InpaintConfig, units: Sequence[np.ndarray]
) -> Image.Image | None:
    """Draw pictures with their holes beside what became of them; None where nothing did.

    Args:
        collection: of the job.
        config: of the job.
        units: of the job; finished ones are looked at, spread evenly.

    """
    rows, notes = [], []
    for key, before, after in _samples(collection, config, units):
        rows.append([before, after])
        notes.append(key)
    if not rows:
        return None
    return comparison_grid(rows, ["picture and hole", "filled"], notes=notes)


def _samples(
    collection: Collection, config: InpaintConfig, units: Sequence[np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, picture with its hole, and result, of a few pictures."""
    for index, row in _chosen(config.output, units).items():
        try:
            before = _before(collection, config, index)
            yield row["input"], before, _after(config, row["output"])
        except (InputError, OSError) as error:
            warn(_log, f"{row['input']} is not among the samples: {error}")


def _chosen(output: str, units: Sequence[np.ndarray]) -> dict[int, Row]:
    """Choose filled pictures, spread evenly; each one's row by its place in the collection."""
    ends = np.cumsum([len(unit) for unit in units])
    places = np.linspace(0, ends[-1] - 1, _ROWS).astype(int)
    chosen: dict[int, Row] = {}
    for place in places.tolist():
        number = int(np.searchsorted(ends, place, side="right"))
        start = place - int(ends[number]) + len(units[number])
        rows = list(zip(units[number].tolist(), read_part(output, number), strict=False))
        done = [(index, row) for index, row in rows[start:] + rows[:start] if row["status"] == DONE]
        chosen.update(done[:1])
    return chosen


def _before(collection: Collection, config: InpaintConfig, index: int) -> np.ndarray:
    item, limit = collection.item(index), config.max_pixels
    upload = read_upload(collection.source.read(item.entry), max_pixels=limit)
    picture, mask = mask_of(collection.masks, upload.picture, item, collection.source, limit=limit)
    hole = hole_from_mask(mask, polarity=collection.masks.polarity)
    tile = _tile(picture)
    small = Image.fromarray(hole).resize(_fitting(size_of(picture)), Image.Resampling.NEAREST)
    tile.paste(_HOLE, _middle(small.size), small)
    return np.asarray(tile)


def _after(config: InpaintConfig, output: str) -> np.ndarray:
    filesystem, folder = open_filesystem(config.output)
    data = read_bytes(filesystem, f"{folder}/{output}")
    return np.asarray(_tile(read_upload(data, max_pixels=config.max_pixels).picture))


def _tile(picture: Picture) -> Image.Image:
    """Show a picture in the middle of a white square."""
    jpeg = Image.open(io.BytesIO(preview(picture, side=_SIDE)))
    shown = jpeg.resize(_fitting(size_of(picture)))
    tile = Image.new("RGB", (_SIDE, _SIDE), "white")
    tile.paste(shown, _middle(shown.size))
    return tile


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    scale = _SIDE / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _middle(size: tuple[int, int]) -> tuple[int, int]:
    return (_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2
