"""A partition file: which split each photograph belongs to, as CelebA publishes it.

000001.jpg 0
162771.jpg 1
182638.jpg 2
"""

from __future__ import annotations

import hashlib
import io
import logging
import posixpath
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import compute

from isnet.config import InputError
from pipelines.logs import warn
from pipelines.shards import SPLITS
from pipelines.sources.listing import Listing
from pipelines.storage import open_filesystem, printable, read_bytes

_log = logging.getLogger(__name__)

_CODES = {str(code): code for code in range(len(SPLITS))}


@dataclass(frozen=True, kw_only=True, eq=False)
class Partition:
    """Names and the split of each."""

    name: str
    """How messages call it: the option and what it was given."""
    names: pa.Array
    codes: np.ndarray
    """Index into `SPLITS` of each name."""
    hash: str
    """Of the file, in hexadecimal."""

    def split(self, listing: Listing, source: str) -> dict[str, np.ndarray]:
        """Divide a listing: indices of each split's entries; `test` only where the file has one.

        Args:
            listing: keys; the file names them in full or by their last part.
            source: how messages call where the listing came from.

        Raises:
            InputError: names that the listing lacks, or two keys of one name; a split that would
                be empty.

        """
        by_key = compute.index_in(listing.keys, self.names)
        bases = pa.array([posixpath.basename(entry.key) for entry in listing], pa.large_string())
        lines = compute.coalesce(by_key, compute.index_in(bases, self.names))
        found = lines.fill_null(-1).to_numpy()
        self._require_all(found, listing, source)
        unnamed = int((found < 0).sum())
        if unnamed:
            warn(
                _log, f"{self.name} does not name {unnamed:,} of the pictures in {source}; left out"
            )
        codes = np.where(found < 0, -1, self.codes[found])
        splits = {split: np.flatnonzero(codes == code) for code, split in enumerate(SPLITS)}
        for split in ("train", "validation"):
            if not len(splits[split]):
                raise InputError(
                    f"{self.name} puts no picture into the {split} split; mark some with "
                    f"{SPLITS.index(split)}"
                )
        return {split: rows for split, rows in splits.items() if len(rows)}

    def _require_all(self, found: np.ndarray, listing: Listing, source: str) -> None:
        """Refuse names without a picture, and names of two."""
        named = np.bincount(found[found >= 0], minlength=len(self.names))
        absent = np.flatnonzero(named == 0)
        if len(absent):
            first = ", ".join(self.names.take(pa.array(absent[:3])).to_pylist())
            raise InputError(
                f"{self.name} names {len(absent):,} pictures that {source} lacks, {first} first; "
                "is the archive complete?"
            )
        twice = np.flatnonzero(named > 1)
        if len(twice):
            first, second = (listing[int(row)].key for row in np.flatnonzero(found == twice[0])[:2])
            raise InputError(
                f"{self.name} means both {first} and {second} by {self.names[int(twice[0])]}; "
                "write their whole paths"
            )


def read_partition(location: str, flag: str) -> Partition:
    """Read a partition file: on each line a name, white space, and 0, 1 or 2.

    Raises:
        InputError: a file that cannot be read, a malformed line, a name given twice.

    """
    name = f"{flag} {printable(location)}"
    try:
        data = read_bytes(*open_filesystem(location))
        text = data.decode("utf-8-sig")
    except OSError as error:
        reason = printable(str(error).splitlines()[0])
        raise InputError(f"{name} cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is no text file (UTF-8)") from error
    names, codes = [], []
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.strip():
            continue
        words = line.rsplit(maxsplit=1)
        if len(words) != 2 or words[1] not in _CODES:
            raise InputError(
                f"{name}, line {number}: {line.strip()!r}; write a name and 0 (train), "
                "1 (validation) or 2 (test)"
            )
        names.append(words[0].strip())
        codes.append(_CODES[words[1]])
    if not names:
        raise InputError(f"{name} names no picture; write a name and 0, 1 or 2 on each line")
    keys = pa.array(names, pa.large_string())
    if compute.count_distinct(keys).as_py() < len(keys):
        raise InputError(f"{name} names {_repeated(names)} twice")
    return Partition(
        name=name,
        names=keys,
        codes=np.array(codes, np.int8),
        hash=hashlib.sha256(data).hexdigest(),
    )


def _repeated(names: list[str]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
