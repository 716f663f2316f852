"""Results of a job, small, to be looked at in a browser."""

from __future__ import annotations

import base64
from itertools import islice
from typing import Any

from isnet.config import InputError
from pipelines.bulk.progress import read_progress
from pipelines.bulk.results import Row
from pipelines.codec import preview, read_upload
from pipelines.serving.jobs.downloads import done_rows, open_result
from pipelines.serving.jobs.record import JobRecord
from pipelines.serving.jobs.request import Page
from pipelines.serving.jobs.view import Thumbnail, Thumbnails

_SIDE = 320


def show(record: JobRecord, page: Page, *, max_pixels: int) -> dict[str, Any]:
    """Show some of the results, unit by unit; while a job runs, others may come in between."""
    rows = list(islice(done_rows(record), page.offset, page.offset + page.limit))
    thumbnails = [_show(record, row, max_pixels) for row in rows]
    progress = read_progress(record.results)
    total = max(page.offset + len(rows) if rows else 0, progress.done if progress else 0)
    return Thumbnails(total=total, thumbnails=thumbnails).model_dump()


def _show(record: JobRecord, row: Row, max_pixels: int) -> Thumbnail:
    """Show a result; its names alone, where it was taken away or changed since."""
    image = None
    try:
        with open_result(record, row) as file:
            upload = read_upload(file.read(), max_pixels=max_pixels)
    except (FileNotFoundError, InputError):
        pass
    else:
        jpeg = base64.b64encode(preview(upload.picture, side=_SIDE)).decode()
        image = f"data:image/jpeg;base64,{jpeg}"
    return Thumbnail(input=row["input"], output=row["output"], image=image)
