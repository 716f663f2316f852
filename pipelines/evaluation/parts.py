"""The parts that units leave, and the one table that they become."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import fs, parquet

from pipelines.evaluation.rows import SCHEMA
from pipelines.evaluation.units import Unit
from pipelines.storage import open_filesystem

_READERS = 16
"""Threads that read: on an object store each part is a request."""
_AT_ONCE = 64


def find_done(output: str, units: Sequence[Unit]) -> set[str]:
    """Find the parts that an earlier run has finished.

    A part with failures, one that is cut short, or one of other columns is measured again.
    """
    filesystem, folder = open_filesystem(output)
    found: list[str] = []
    for parent in sorted({unit.part.rpartition("/")[0] for unit in units}):
        selector = fs.FileSelector(f"{folder}/{parent}", allow_not_found=True)
        files = filesystem.get_file_info(selector)
        found += [f"{parent}/{info.base_name}" for info in files if info.extension == "parquet"]
    with ThreadPoolExecutor(_READERS) as readers:
        whole = readers.map(lambda part: _is_whole(filesystem, f"{folder}/{part}"), found)
        return {part for part, good in zip(found, whole, strict=True) if good}


def _is_whole(filesystem: fs.FileSystem, path: str) -> bool:
    try:
        with filesystem.open_input_file(path) as file:
            part = parquet.ParquetFile(file)
            if not part.schema_arrow.equals(SCHEMA):
                return False
            errors = part.read(["error"])["error"]
            return bool(errors.null_count == len(errors))
    except (OSError, pa.ArrowException):
        return False


def join_parts(
    output: str, units: Sequence[Unit], table: Path, about: Mapping[str, object]
) -> None:
    """Put all parts into one Parquet file, a few in memory at a time.

    Args:
        output: folder or URI of the parts.
        units: whose parts, in this order.
        table: the file to write.
        about: kept as JSON in the file's metadata, under `isnet.evaluation`.

    """
    filesystem, folder = open_filesystem(output)
    schema = SCHEMA.with_metadata({b"isnet.evaluation": json.dumps(about).encode()})
    with parquet.ParquetWriter(table, schema) as writer, ThreadPoolExecutor(_READERS) as readers:
        for start in range(0, len(units), _AT_ONCE):
            paths = [f"{folder}/{unit.part}" for unit in units[start : start + _AT_ONCE]]
            for rows in readers.map(partial(_read, filesystem), paths):
                writer.write_table(rows.replace_schema_metadata(schema.metadata))


def _read(filesystem: fs.FileSystem, path: str) -> pa.Table:
    return parquet.read_table(path, filesystem=filesystem, schema=SCHEMA)
