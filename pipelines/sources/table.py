"""Parquet tables with pictures in a column, or with the paths of pictures."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.cells import (
    PATH,
    Kind,
    data_of,
    key_of_path,
    kind_of,
    path_of,
    read_referenced,
)
from pipelines.sources.listing import HEAD, Entry, Listing
from pipelines.sources.row_groups import read_cell, read_texts, row_groups, schema_of
from pipelines.storage import first_line, is_uri, printable, split_name


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns hold what. A picture is bytes, a path or URI, or {bytes, path}."""

    image: str
    """The pictures."""
    name: str | None = None
    """Their keys; None: their paths, or else numbers."""
    mask: str | None = None
    """Their masks, of the same kinds; None: there are none in the table."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Parquet files, row after row. A key is what the name column says, a path, or a number.

    Keys need no ending: what kind of picture it is, its bytes say.
    """

    name: str
    """How messages call it: the option and what it was given."""
    locations: tuple[str, ...]
    """Absolute paths or URIs."""
    stems: tuple[str, ...]
    """What the numbers of each file's rows start with."""
    columns: Columns
    """Which columns are read."""
    within: Roots | None = None
    """Where files that the table names must lie, links followed; None: anywhere."""
    opened: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells it from an earlier file of that name, which a process may still hold open."""

    def list(self) -> Listing:
        """Find the pictures, in the order of files and rows; a size is a row group's average.

        Raises:
            InputError: a file that is no Parquet, columns that are missing or of other types, no
                rows, or two pictures of one key.

        """
        listing = Listing.of(self._entries())
        if not len(listing):
            raise InputError(f"{self.name} has no rows; is it the right table?")
        repeated = listing.repeated_key()
        if repeated is not None:
            raise InputError(
                f"{self.name} has {repeated} twice; name a column with distinct names with "
                "--name-column"
            )
        return listing

    def read(self, entry: Entry) -> bytes:
        """Read one picture.

        Raises:
            InputError: there is none in the row, or its file is unreadable: one line that says why.
            OSError: the table cannot be read, or is not there (FileNotFoundError).

        """
        return self._read(entry, self.columns.image, None)

    def head(self, entry: Entry, size: int = HEAD) -> bytes:
        """Take the first bytes of one picture; raises as `read`."""
        return self._read(entry, self.columns.image, size)

    def read_mask(self, entry: Entry) -> bytes:
        """Read the mask of one picture; raises as `read`."""
        assert self.columns.mask is not None
        return self._read(entry, self.columns.mask, None)

    def _read(self, entry: Entry, column: str, size: int | None) -> bytes:
        cell = self._cell(entry, column)
        kind = self._kind(cell.type, column)
        data, path = data_of(cell, kind), path_of(cell, kind)
        if data is not None:
            return (data if size is None else data.slice(0, min(size, data.size))).to_pybytes()
        if path is None:
            raise InputError(f"cannot be read: row {entry.offset:,} has nothing in {column}")
        return read_referenced(path, split_name(self._location(entry))[0], self.within, size)

    def _cell(self, entry: Entry, column: str) -> Any:
        location = self._location(entry)
        needed = [name for name in (self.columns.image, self.columns.mask) if name]
        try:
            return read_cell(location, self.opened, entry.offset, column=column, columns=needed)
        except FileNotFoundError as error:
            raise FileNotFoundError(self.name) from error
        except (pa.ArrowException, OSError, IndexError) as error:
            if isinstance(error, OSError) and is_uri(location):
                raise  # of the network, perhaps
            raise InputError(
                f"cannot be read: the table is damaged ({first_line(error)})"
            ) from error

    def _location(self, entry: Entry) -> str:
        return self.locations[entry.file]

    def _entries(self) -> Iterator[Entry]:
        for index, (location, stem) in enumerate(zip(self.locations, self.stems, strict=True)):
            folder, row = split_name(location)[0], 0
            for keys, size in self._keys(location):
                for text in keys:
                    key = key_of_path(text, folder) if text and not self.columns.name else text
                    yield Entry(key or f"{stem}-{row:08d}", size, index, row)
                    row += 1

    def _keys(self, location: str) -> Iterator[tuple[Sequence[str | None], int]]:
        """Read what becomes keys, and the average size of a picture, of each row group."""
        try:
            column, inner, sized = self._check(schema_of(location, self.opened))
            for group, about in enumerate(row_groups(location, self.opened)):
                keys: Sequence[str | None] = [None] * about.num_rows
                if column:
                    keys = read_texts(location, self.opened, group, column=column, field=inner)
                yield keys, _average_size(about, self.columns.image) if sized else 0
        except (pa.ArrowException, OSError) as error:
            where = printable(location)
            raise InputError(f"{self.name}: {where} is no Parquet: {first_line(error)}") from error

    def _check(self, schema: pa.Schema) -> tuple[str | None, str | None, bool]:
        """Require the columns.

        Returns:
            The column that becomes keys, None where rows are numbered; its field, if it has any;
            and whether pictures are in the table itself.

        """
        if self.columns.mask is not None:
            self._kind(self._type(schema, self.columns.mask), self.columns.mask)
        kind = self._kind(self._type(schema, self.columns.image), self.columns.image)
        if self.columns.name is not None:
            type_ = self._type(schema, self.columns.name)
            named = kind_of(type_)
            if not (pa.types.is_integer(type_) or (named and named.path and not named.struct)):
                raise InputError(f"{self.name}: column {self.columns.name} is {type_}, not text")
            return self.columns.name, None, kind.bytes
        if not kind.path:
            return None, None, kind.bytes
        return self.columns.image, PATH if kind.struct else None, kind.bytes

    def _type(self, schema: pa.Schema, column: str) -> pa.DataType:
        if schema.names.count(column) != 1:
            raise InputError(
                f"{self.name} has no column {column}; it has {', '.join(schema.names)}"
            )
        return schema.field(column).type

    def _kind(self, type_: pa.DataType, column: str) -> Kind:
        kind = kind_of(type_)
        if kind is None:
            raise InputError(
                f"{self.name}: column {column} is {type_}; pictures are bytes, paths, or both in "
                "the fields bytes and path"
            )
        return kind


def _average_size(about: Any, column: str) -> int:
    """Bytes of an average picture, by a row group's metadata."""
    parts = (about.column(index) for index in range(about.num_columns))
    mine = (part for part in parts if part.path_in_schema.split(".")[0] == column)
    return sum(part.total_uncompressed_size for part in mine) // max(1, about.num_rows)
