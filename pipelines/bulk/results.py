"""What became of each picture: rows, the parts that units leave, the table they become."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import fs, parquet

from pipelines.storage import open_filesystem, read_bytes

RESULTS = "results.parquet"
"""The table, below the output; there once every picture was tried."""

FOLDER = ".inpaint"
"""Folder below the output with everything that is not a result."""

PARTS = f"{FOLDER}/parts"
"""Folder of the parts: a row for each picture of a unit, written when all of them are."""

DONE, FAILED = "done", "failed"

SCHEMA = pa.schema(
    [
        ("input", pa.string()),  # its path below --input
        ("mask", pa.string()),  # its path below --masks, or how the mask was found; null: none was
        ("output", pa.string()),  # its path below --output; null where it failed
        ("hole_ratio", pa.float32()),  # 0 to 1
        ("passes", pa.int16()),  # most of any region
        ("milliseconds", pa.float32()),  # of work: decoding, its share of passes, encoding
        ("status", pa.string()),  # done or failed
        ("reason", pa.string()),  # null, or why it failed, in a word such as undecodable
        ("error", pa.string()),  # null, or why it failed, in a sentence
    ]
)
"""Columns of parts and table."""

Row = dict[str, Any]

_READERS = 16
"""Threads that read: on an object store each part is a request."""
_AT_ONCE = 64


def part_path(number: int) -> str:
    """Path of a unit's part, below the output."""
    return f"{PARTS}/{number:07d}.parquet"


class Counts(NamedTuple):
    """Pictures of a unit."""

    done: int
    failed: int


def find_parts(output: str) -> dict[int, Counts]:
    """Find the units that are finished, and how many pictures of each are done and have failed.

    A part that is cut short, or of other columns, does not count.
    """
    filesystem, folder = open_filesystem(output)
    selector = fs.FileSelector(f"{folder}/{PARTS}", allow_not_found=True)
    paths = [info.path for info in filesystem.get_file_info(selector) if _is_part(info)]
    with ThreadPoolExecutor(_READERS) as readers:
        found = zip(paths, readers.map(partial(_count, filesystem), paths), strict=True)
        return {int(Path(path).stem): counts for path, counts in found if counts is not None}


def read_part(output: str, number: int) -> list[Row]:
    """Read the rows of a unit; none where it is not finished."""
    filesystem, folder = open_filesystem(output)
    part = _read_whole(filesystem, f"{folder}/{part_path(number)}")
    rows: list[Row] = [] if part is None else part.to_pylist()
    return rows


def encode_rows(rows: Sequence[Row]) -> bytes:
    """Encode rows as a Parquet file."""
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), sink)
    return sink.getvalue().to_pybytes()


def read_results(output: str) -> Iterator[Row]:
    """Read the rows of all pictures that were tried so far, in the order of the units."""
    filesystem, folder = open_filesystem(output)
    selector = fs.FileSelector(f"{folder}/{PARTS}", allow_not_found=True)
    paths = sorted(info.path for info in filesystem.get_file_info(selector) if _is_part(info))
    for path in paths:
        part = _read_whole(filesystem, path)
        yield from [] if part is None else part.to_pylist()


def join_parts(output: str, units: int, table: Path, about: Mapping[str, object]) -> None:
    """Put all parts into one Parquet file, a few in memory at a time.

    Args:
        output: folder or URI of the job.
        units: how many there are.
        table: the file to write.
        about: kept as JSON in the file's metadata, under `isnet.inpaint`.

    """
    filesystem, folder = open_filesystem(output)
    schema = SCHEMA.with_metadata({b"isnet.inpaint": json.dumps(about).encode()})
    with parquet.ParquetWriter(table, schema) as writer, ThreadPoolExecutor(_READERS) as readers:
        for start in range(0, units, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, units))
            paths = [f"{folder}/{part_path(number)}" for number in numbers]
            for rows in readers.map(partial(_read, filesystem), paths):
                writer.write_table(rows.replace_schema_metadata(schema.metadata))


def _is_part(info: fs.FileInfo) -> bool:
    return bool(info.extension == "parquet" and not info.base_name.startswith("."))


def _count(filesystem: fs.FileSystem, path: str) -> Counts | None:
    """Count the pictures of a part; None where it is no whole part."""
    part = _read_whole(filesystem, path, ["status"])
    if part is None:
        return None
    statuses = part["status"].to_pylist()
    return Counts(statuses.count(DONE), statuses.count(FAILED))


def _read_whole(
    filesystem: fs.FileSystem, path: str, columns: Sequence[str] | None = None
) -> pa.Table | None:
    """Read a part; None where it is missing, cut short, or of other columns.

    Raises:
        OSError: the storage does not answer.

    """
    try:
        data = read_bytes(filesystem, path)
    except FileNotFoundError:
        return None
    try:
        part = parquet.ParquetFile(io.BytesIO(data))
        return part.read(columns) if part.schema_arrow.equals(SCHEMA) else None
    except (OSError, pa.ArrowException):  # of what the bytes say: the storage gave them all
        return None


def _read(filesystem: fs.FileSystem, path: str) -> pa.Table:
    return parquet.read_table(path, filesystem=filesystem, schema=SCHEMA)
