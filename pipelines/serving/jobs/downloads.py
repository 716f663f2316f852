"""Results of a job as one zip archive, made while it is sent."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pipelines.bulk.naming import unsafe
from pipelines.bulk.results import DONE, SCHEMA, Row, read_results
from pipelines.confinement import Roots
from pipelines.serving.jobs.record import JobRecord
from pipelines.storage import is_local, join, open_filesystem

TABLE = "results.csv"

_CHUNK = 2**20
_ROWS_AT_ONCE = 1000


def done_rows(record: JobRecord) -> Iterator[Row]:
    """Read the rows of the pictures that are filled so far."""
    return (row for row in read_results(record.results) if row["status"] == DONE)


def open_result(record: JobRecord, row: Row) -> io.BufferedIOBase:
    """Open a result's file.

    Raises:
        FileNotFoundError: it was taken away, or its row leads out of the folders that the job may
            use: whoever may write to its output could have written the row.

    """
    name = str(row["output"])
    filesystem, path = open_filesystem(join(record.results, name))
    allowed = Roots(tuple(record.config["within"]))
    if unsafe(name) is not None or (is_local(filesystem) and not allowed.contains(path)):
        raise FileNotFoundError(name)
    return filesystem.open_input_stream(path)


def zip_results(record: JobRecord) -> Iterator[bytes]:
    """Yield an archive with every result under its name, and the table of all pictures tried.

    Nothing is deflated: pictures are compressed already. Memory holds a chunk.
    """
    sink: Any = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for row in done_rows(record):
            with suppress(FileNotFoundError), open_result(record, row) as file:
                with archive.open(_member(row["output"]), "w", force_zip64=True) as member:
                    while chunk := file.read(_CHUNK):
                        member.write(chunk)
                        yield sink.take()
                yield sink.take()
        with archive.open(_member(TABLE), "w", force_zip64=True) as member:
            for text in _table(record):
                member.write(text.encode())
                yield sink.take()
    yield sink.take()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, time.localtime()[:6])
    member.external_attr = 0o644 << 16
    return member


def _table(record: JobRecord) -> Iterator[str]:
    """Write the rows as CSV, some at a time."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, SCHEMA.names)
    writer.writeheader()
    for number, row in enumerate(read_results(record.results), start=1):
        writer.writerow(row)
        if number % _ROWS_AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


class _Sink:
    """Where an archive is written to; it cannot go back, so zipfile puts sizes after the data."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: all is taken."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
