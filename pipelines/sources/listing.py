"""What a source holds: keys, sizes and places, compact enough for millions of pictures."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa
from pyarrow import compute

from isnet.config import InputError
from pipelines.logs import warn

_log = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of the files that are taken for pictures, in any case; other files are left alone."""

NOTES = (".md", ".txt")
"""Endings that nobody takes for a picture's: a README beside the pictures brings no warning."""

HEAD = 65_536
"""Bytes at a picture's beginning that nearly always say its format and size."""

CHUNK = 65_536
"""Entries that are held as Python objects at a time."""


class Entry(NamedTuple):
    """One picture of a source."""

    key: str
    """Its path below the source, with forward slashes."""
    size: int = 0
    """Bytes."""
    file: int = 0
    """Which of the source's archives it is in."""
    offset: int = 0
    """Where in the archive it begins; entries that are read in this order are read forwards."""


@dataclass(frozen=True, eq=False)
class Listing(Sequence[Entry]):
    """Entries as columns: 100 bytes or less each, where Python objects would take 400."""

    keys: pa.Array
    sizes: np.ndarray
    files: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Listing:
        """Gather entries, in their order."""
        remaining = iter(entries)
        keys, numbers = [pa.array([], pa.large_string())], [np.empty((0, 3), np.int64)]
        while chunk := list(islice(remaining, CHUNK)):
            keys.append(pa.array([entry.key for entry in chunk], pa.large_string()))
            numbers.append(np.array([entry[1:] for entry in chunk], np.int64))
        sizes, files, offsets = (
            np.concatenate([part[:, column] for part in numbers]) for column in range(3)
        )
        return cls(pa.concat_arrays(keys), sizes, files.astype(np.int32), offsets)

    def __len__(self) -> int:
        """Count the entries."""
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Listing: ...
    def __getitem__(self, index: int | slice) -> Entry | Listing:
        """Give one entry, or a part of the listing."""
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return Entry(
            self.keys[int(index)].as_py(),
            int(self.sizes[index]),
            int(self.files[index]),
            int(self.offsets[index]),
        )

    def __iter__(self) -> Iterator[Entry]:
        """Go through the entries, a chunk in memory at a time."""
        for start in range(0, len(self), CHUNK):
            columns = (
                column[start : start + CHUNK].tolist()
                for column in (self.keys, self.sizes, self.files, self.offsets)
            )
            yield from map(Entry, *columns)

    def take(self, rows: np.ndarray) -> Listing:
        """Choose entries by their indices, in the order of the indices."""
        return Listing(
            self.keys.take(pa.array(rows)),
            self.sizes[rows],
            self.files[rows],
            self.offsets[rows],
        )

    def by_key(self) -> Listing:
        """Sort by key."""
        return self.take(compute.sort_indices(self.keys).to_numpy())

    def hash(self) -> str:
        """Hash keys and sizes, in hexadecimal; what is elsewhere in an archive is the same."""
        digest = hashlib.sha256()
        for entry in self:
            digest.update(f"{entry.key}\0{entry.size}\n".encode())
        return digest.hexdigest()

    def repeated_key(self) -> str | None:
        """Find a key that occurs twice."""
        order = compute.sort_indices(self.keys)
        for start in range(0, len(self) - 1, CHUNK):
            ordered = self.keys.take(order.slice(start, CHUNK + 1))
            same = compute.equal(ordered[1:], ordered[:-1])
            found = compute.index(same, True).as_py()
            if found >= 0:
                return str(ordered[found])
        return None


def pictures(entries: Iterable[Entry], others: Counter[str]) -> Iterator[Entry]:
    """Choose the pictures; count the endings of what is left out, but for hidden files."""
    for entry in entries:
        if is_hidden(entry.key):
            continue
        if entry.key.lower().endswith(SUFFIXES):
            yield entry
        else:
            others[ending(entry.key)] += 1


def is_hidden(key: str) -> bool:
    """Whether a file, or a folder it is in, is one that systems make and do not show."""
    parts = (part for part in key.split("/") if part not in (".", ".."))
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def ending(key: str) -> str:
    """Ending of a file, in lower case."""
    return os.path.splitext(key)[1].lower() or "no ending"


def require_pictures(
    listing: Listing,
    others: Counter[str],
    *,
    name: str,
    advice: str,
    notes: Sequence[str] = NOTES,
) -> None:
    """Refuse a source without pictures; warn of files with endings that nobody expects.

    Raises:
        InputError: no picture; the message ends with the advice.

    """
    left_out = _left_out(others, notes)
    if not len(listing):
        raise InputError(
            f"{name} holds no pictures ({', '.join(SUFFIXES)}); "
            f"{advice}{left_out and f' ({left_out})'}"
        )
    if left_out:
        warn(_log, f"{name}: {left_out}")


def _left_out(others: Counter[str], notes: Sequence[str]) -> str:
    """Say which files are not read, e.g. `12 files with other endings (.heic 12) are not read`."""
    counts = Counter({ending: n for ending, n in others.items() if ending not in notes})
    if not counts:
        return ""
    kinds = [f"{ending} {n:,}" for ending, n in counts.most_common(5)]
    kinds += ["..."] if len(counts) > 5 else []
    files, are = ("file", "is") if counts.total() == 1 else ("files", "are")
    return f"{counts.total():,} {files} with other endings ({', '.join(kinds)}) {are} not read"
