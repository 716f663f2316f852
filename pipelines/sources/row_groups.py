"""Parquet files, read a row group at a time and no more than two of them held."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from pipelines.storage import open_filesystem

_READING = threading.Lock()
"""A Parquet file is read by one thread at a time."""


def schema_of(location: str, opened: str) -> pa.Schema:
    """Columns of a file; `opened` tells it from an earlier file of that name."""
    return _open(location, opened)[0].schema_arrow


def row_groups(location: str, opened: str) -> list[Any]:
    """Metadata of each row group of a file."""
    file, _ = _open(location, opened)
    return [file.metadata.row_group(group) for group in range(file.num_row_groups)]


def read_texts(
    location: str, opened: str, group: int, *, column: str, field: str | None
) -> list[str | None]:
    """Read a column of a row group as text, or one field of it; nothing else is read."""
    file, _ = _open(location, opened)
    leaf = f"{column}.{field}" if field else column
    with _READING:
        values = file.read_row_group(group, columns=[leaf], use_threads=False)[column]
    found = compute.struct_field(values, field) if field else values
    return [None if value is None else str(value) for value in found.to_pylist()]


def read_cell(
    location: str, opened: str, row: int, *, column: str, columns: Sequence[str]
) -> pa.Scalar:
    """Read one cell; reading cells of any of `columns` in the order of rows is fast.

    Raises:
        IndexError: the file has no such row.
        pyarrow.ArrowException or OSError: the file is damaged, or cannot be read.

    """
    with _READING:
        _, starts = _open(location, opened)
        group = int(np.searchsorted(starts, row, side="right")) - 1
        rows = _read(location, opened, group, tuple(columns))
    return rows[column][row - int(starts[group])]


@lru_cache(maxsize=4)
def _open(location: str, opened: str) -> tuple[Any, np.ndarray]:
    """Open a file once a process; with the number of each row group's first row."""
    filesystem, path = open_filesystem(location)
    file = parquet.ParquetFile(filesystem.open_input_file(path))
    counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    return file, np.cumsum([0, *counts])[:-1]


@lru_cache(maxsize=2)
def _read(location: str, opened: str, group: int, columns: tuple[str, ...]) -> pa.Table:
    file, _ = _open(location, opened)
    return file.read_row_group(group, columns=list(columns), use_threads=False)
