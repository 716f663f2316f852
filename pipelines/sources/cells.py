"""Cells of tables that hold pictures: encoded bytes, or paths and URIs of files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.folder import unreadable
from pipelines.storage import is_local, is_uri, open_filesystem, printable, split_name

BYTES, PATH = "bytes", "path"
"""Fields of a cell as Hugging Face's data sets have them."""

_BINARY = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_URI_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^/]*")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the cells of a column hold."""

    struct: bool
    """Whether what they hold is in fields, `bytes` and `path`."""
    bytes: bool
    """Whether there are pictures in them."""
    path: bool
    """Whether there are paths of pictures in them."""


def kind_of(type_: pa.DataType) -> Kind | None:
    """Find out what a column of a type holds; None where that is no picture."""
    if pa.types.is_struct(type_):
        fields = {field.name: field.type for field in type_}
        data = BYTES in fields and _is_any(fields[BYTES], _BINARY)
        path = PATH in fields and _is_any(fields[PATH], _TEXT)
        return Kind(struct=True, bytes=data, path=path) if data or path else None
    data, path = _is_any(type_, _BINARY), _is_any(type_, _TEXT)
    return Kind(struct=False, bytes=data, path=path) if data or path else None


def data_of(cell: pa.Scalar, kind: Kind) -> pa.Buffer | None:
    """Bytes in a cell, not copied; None where there are none."""
    inner = _inner(cell, kind, BYTES) if kind.bytes else None
    data = None if inner is None else inner.as_buffer()
    return data if data is not None and data.size else None


def path_of(cell: pa.Scalar, kind: Kind) -> str | None:
    """Path or URI in a cell; None where there is none."""
    inner = _inner(cell, kind, PATH) if kind.path else None
    text: str | None = None if inner is None else inner.as_py()
    return text or None


def read_referenced(path: str, folder: str, within: Roots | None, size: int | None) -> bytes:
    """Read a file that a cell names, or its first bytes.

    Args:
        path: a path below the table's folder, an absolute path or a URI.
        folder: the table's folder, a path or URI.
        within: where the file must lie, links followed; None: anywhere.
        size: how many bytes; None: all.

    Raises:
        InputError: the file is gone, unreadable or outside: one line that says why.
        OSError: the storage does not answer.

    """
    filesystem, place = _find(path, folder, within)
    try:
        with filesystem.open_input_file(place) as file:
            data: bytes = file.read(size)
            return data
    except OSError as error:
        if not isinstance(error, FileNotFoundError) and not is_local(filesystem):
            raise  # of the network, not of the file
        raise InputError(f"{printable(path)} {unreadable(error)}") from error


def key_of_path(path: str, folder: str) -> str:
    """Turn a path into a key: below the table's folder if it lies there, without `..` or host."""
    base = folder.partition("?")[0].rstrip("/") + "/"
    below = path.removeprefix(base) if path.startswith(base) else path
    if is_uri(below):
        below = unquote(_URI_START.sub("", below).partition("?")[0])
    parts = re.split(r"[/\\]", below.replace("\0", ""))
    return "/".join(part for part in parts if not re.fullmatch(r"|\.\.?|[A-Za-z]:", part))


def _is_any(type_: pa.DataType, tests: Iterable[Callable[[pa.DataType], bool]]) -> bool:
    """Whether a type is one of some; texts that repeat may be stored as a dictionary."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return any(test(type_) for test in tests)


def _inner(cell: pa.Scalar, kind: Kind, field: str) -> Any:
    """Take the bytes or the text out of a cell; None where it is null."""
    if kind.struct and cell.is_valid:
        cell = cell[field]
    if not cell.is_valid:
        return None
    return cell.value if isinstance(cell, pa.DictionaryScalar) else cell


def _find(path: str, folder: str, within: Roots | None) -> tuple[fs.FileSystem, str]:
    """Open the filesystem that a file is on, and find its place there."""
    if "\0" in path:
        raise InputError("cannot be read: its path has a NUL in it")
    if path.startswith("/") or is_uri(path):
        whole = within.resolve(path, "its path") if within else path
        place, name = split_name(whole)
        filesystem, inside = _open(place or "/")
        return filesystem, f"{inside}/{unquote(name) if is_uri(whole) else name}"
    if ".." in path.split("/"):
        raise InputError(f"cannot be read: {path} leads out of the table's folder")
    filesystem, inside = _open(folder)
    if within and is_local(filesystem):
        within.require(f"{inside}/{path}")
    return filesystem, f"{inside}/{path}"


@lru_cache(maxsize=16)
def _open(folder: str) -> tuple[Any, str]:
    """Open the filesystem of a folder once a process: for a URI that may take a request."""
    return open_filesystem(folder)
