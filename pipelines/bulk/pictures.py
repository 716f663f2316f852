"""One picture of a job: from its file to a task for the network, and from there to a file again."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from isnet.config import InputError
from isnet.inpainter import InpaintingTask
from isnet.strategies import Region
from pipelines.bulk.collection import Collection
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.masking import Item, mask_of
from pipelines.bulk.naming import output_name, unsafe
from pipelines.bulk.results import DONE, FAILED, Row
from pipelines.cli import one_line
from pipelines.codec import CodecError, Encoded, Upload, encode, read_upload
from pipelines.tasks import open_task

_log = logging.getLogger(__name__)

ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/tiff": ".tiff",
    "image/bmp": ".bmp",
}
"""Endings of the files that are written."""


class OpenPicture:
    """A decoded picture on its way through the network."""

    def __init__(self, item: Item, upload: Upload, task: InpaintingTask, seconds: float) -> None:
        """Take what `open_picture` made in so many seconds."""
        self.item = item
        self._upload = upload
        self._task = task
        self._passes = 0
        self._seconds = seconds

    @property
    def regions(self) -> Sequence[Region]:
        """What the network has to fill."""
        return self._task.regions

    def put(self, region: Region, fill: np.ndarray, passes: int) -> None:
        """Take a region's fill."""
        self._task.put(region, fill)
        self._passes = max(self._passes, passes)

    def spend(self, seconds: float) -> None:
        """Count time that was spent on this picture."""
        self._seconds += seconds

    def encoded(self, config: InpaintConfig) -> Encoded:
        """Encode the filled picture as it came, or as the job asks.

        Raises:
            CodecError: a format that cannot hold it.

        """
        started = time.perf_counter()
        result = encode(
            self._upload, self._task.picture, format=config.format, quality=config.quality
        )
        self.spend(time.perf_counter() - started)
        return result

    def row(self, mask: str | None, output: str) -> Row:
        """Say what became of it."""
        return {
            "input": self.item.entry.key,
            "mask": mask,
            "output": output,
            "hole_ratio": self._task.hole_ratio,
            "passes": self._passes,
            "milliseconds": self._seconds * 1000,
            "status": DONE,
        }


def open_picture(collection: Collection, item: Item, config: InpaintConfig) -> OpenPicture:
    """Read and decode a picture and its mask.

    Raises:
        InputError: either cannot be read, or they do not go together.
        OSError: the storage does not answer.

    """
    reason = unsafe(item.entry.key)
    if reason is not None:
        raise CodecError("unsafe_name", f"its name cannot be a result's: {reason}; rename it")
    for name, entry in (("image", item.entry), ("mask", item.mask)):
        if entry is not None and entry.size > config.max_bytes:
            text = f"{entry.size:,} bytes; the limit is {config.max_bytes:,} (--max-bytes)"
            raise CodecError("too_many_bytes", f"{name}: {text}")
    started = time.perf_counter()
    data = collection.source.read(item.entry)
    upload = read_upload(data, max_pixels=config.max_pixels)
    del data
    picture, mask = mask_of(
        collection.masks, upload.picture, item, collection.source, limit=config.max_pixels
    )
    task = open_task(
        picture,
        mask,
        polarity=collection.masks.polarity,
        strategy=config.strategy,
        scale=config.scale,
    )
    return OpenPicture(item, upload, task, time.perf_counter() - started)


def result_name(item: Item, media_type: str) -> str:
    """Name a result, as a path below the output."""
    return output_name(item.entry.key, item.name_level, ENDINGS[media_type])


def mask_name(collection: Collection, item: Item) -> str | None:
    """Name a picture's mask for the results; None where there is none."""
    if item.mask is not None:
        return item.mask.key
    return None if collection.pairs is not None else collection.masks.shown


def failed_row(item: Item, mask: str | None, error: Exception) -> Row:
    """Say why a picture could not be filled; the log has the traceback of what nobody expected."""
    reason = "unusable"
    if isinstance(error, CodecError):
        reason = error.code
    elif not isinstance(error, InputError):
        reason = "unexpected"
        _log.error("%s failed", item.entry.key, exc_info=error)
    return {
        "input": item.entry.key,
        "mask": mask,
        "status": FAILED,
        "reason": reason,
        "error": one_line(error) or type(error).__name__,
    }
