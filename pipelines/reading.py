"""Read a prepared data set: only what is wanted, or a clear error."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from isnet.config import InputError
from isnet.masks import decode_hole
from pipelines.shards import Kind, Manifest, check_shard_schema
from pipelines.storage import join, open_filesystem, printable

_COLUMNS: dict[Kind, str] = {"images": "image", "masks": "mask"}
"""Column of the encoded pictures."""


def read_column(data: str, manifest: Manifest, kind: Kind, column: str, split: str) -> list[Any]:
    """Read one column of a split, in the order of the shards."""
    values: list[Any] = []
    for shard in manifest.shards(kind, split):
        with open_shard(data, shard.path) as file:
            values += file.read([column])[column].to_pylist()
    return values


def read_pictures(
    data: str, manifest: Manifest, kind: Kind, split: str, keys: set[str]
) -> dict[str, bytes]:
    """Read the encoded pictures of some keys, from the row groups that hold them and no others."""
    column = _COLUMNS[kind]
    found: dict[str, bytes] = {}
    for shard in manifest.shards(kind, split):
        with open_shard(data, shard.path) as file:
            for group in range(file.num_row_groups):
                names = file.read_row_group(group, ["key"])["key"].to_pylist()
                rows = [row for row, name in enumerate(names) if name in keys]
                if rows:
                    pictures = file.read_row_group(group, [column])[column]
                    found |= {names[row]: pictures[row].as_py() for row in rows}
    return found


def read_pictures_at(
    data: str, manifest: Manifest, kind: Kind, split: str, rows: Iterable[int]
) -> dict[str, bytes]:
    """Read the encoded pictures that stand in some rows of a split, by key; nothing else is read.

    Raises:
        InputError: a shard that cannot be read, cut short or of another version.

    """
    wanted, start = sorted(set(rows)), 0
    found: dict[str, bytes] = {}
    for shard in manifest.shards(kind, split):
        inside = [row - start for row in wanted if start <= row < start + shard.rows]
        if inside:
            with open_shard(data, shard.path) as file:
                found |= _pictures_of(file, _COLUMNS[kind], inside)
        start += shard.rows
    return found


def _pictures_of(file: parquet.ParquetFile, column: str, rows: list[int]) -> dict[str, bytes]:
    """Read the row groups that hold the given rows of a shard, in order; keep those rows."""
    found: dict[str, bytes] = {}
    start = 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        inside = [row - start for row in rows if start <= row < end]
        if inside:
            table = file.read_row_group(group, ["key", column]).take(inside)
            found |= zip(table["key"].to_pylist(), table[column].to_pylist(), strict=True)
        start = end
    return found


def read_first_pictures(
    data: str, manifest: Manifest, kind: Kind, split: str, count: int
) -> dict[str, bytes]:
    """Read the first `count` encoded pictures of a split, by key."""
    found: dict[str, bytes] = {}
    for shard in manifest.shards(kind, split):
        if len(found) >= count:
            break
        with open_shard(data, shard.path) as file:
            table = file.read_row_group(0, ["key", _COLUMNS[kind]]).slice(0, count - len(found))
            found |= zip(table["key"].to_pylist(), table[_COLUMNS[kind]].to_pylist(), strict=True)
    return found


def decode_rgb(data: bytes, size: int) -> np.ndarray:
    """Decode an image: uint8 (size, size, 3); `ValueError` where it is of another size."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
        return _of_size(np.array(picture.convert("RGB")), size)


def decode_square_hole(data: bytes, size: int) -> np.ndarray:
    """Decode a mask: bool (size, size), True = missing; `ValueError` as `decode_rgb`."""
    return _of_size(decode_hole(data), size)


@contextmanager
def name_errors(data: str, what: str) -> Iterator[None]:
    """Say which shard or row of the data set it was that could not be read, as an `InputError`."""
    try:
        yield
    except InputError:
        raise  # says it already
    except (pa.ArrowException, OSError, ValueError, SyntaxError) as error:  # PIL raises them all
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{what} of {printable(data)} cannot be read ({reason}); prepare the data "
            "anew, into another folder"
        ) from error


@contextmanager
def open_shard(data: str, path: str) -> Iterator[parquet.ParquetFile]:
    """Open a shard; what goes wrong while it is open is told of it.

    Args:
        data: the data set's folder, a path or a URI.
        path: the shard's path below it.

    Raises:
        InputError: a shard that is gone, cut short, or of another schema version.

    """
    location = join(data, path)
    filesystem, place = open_filesystem(location)
    with name_errors(data, path), filesystem.open_input_file(place) as file:
        shard = parquet.ParquetFile(file)
        check_shard_schema(shard.metadata, location)
        yield shard


def _of_size(pixels: np.ndarray, size: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    if (height, width) != (size, size):
        raise ValueError(f"it is {height}x{width} instead of {size}x{size}")
    return pixels
