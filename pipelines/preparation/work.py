"""Units of work, and how they travel: which crops of which files go into a shard."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np

from isnet.masks import Polarity
from pipelines.shards import Kind
from pipelines.sources.listing import CHUNK, Entry, Listing
from pipelines.sources.opening import Source


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the files of a split come from: what a task has to know of it."""

    flag: str
    """The option that named it."""
    source: Source | None
    """None for generated masks."""
    polarity: Polarity = "white-hole"
    """Of masks."""


class Item(NamedTuple):
    """A source file and which of its crops to make; masks have one."""

    entry: Entry
    first: int
    crops: int


@dataclass(frozen=True, eq=False)
class Items(Sequence[Item]):
    """Items as columns; each is made when it is asked for."""

    listing: Listing
    rows: np.ndarray
    """Index into the listing, of each item."""
    first: np.ndarray
    crops: np.ndarray

    def __len__(self) -> int:
        """Count the items."""
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Items: ...
    def __getitem__(self, index: int | slice) -> Item | Items:
        """Give one item, or some of them."""
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        entry = self.listing[int(self.rows[index])]
        return Item(entry, int(self.first[index]), int(self.crops[index]))

    def __iter__(self) -> Iterator[Item]:
        """Make one item after the other."""
        for start in range(0, len(self), CHUNK):
            chunk = slice(start, start + CHUNK)
            entries = self.listing.take(self.rows[chunk])
            numbers = self.first[chunk].tolist(), self.crops[chunk].tolist()
            yield from map(Item, entries, *numbers)

    def take(self, chosen: np.ndarray) -> Items:
        """Choose items by their indices, in the order of the indices."""
        return Items(self.listing, self.rows[chosen], self.first[chosen], self.crops[chosen])

    def as_they_lie(self) -> Items:
        """Order by place in the archives, so that they are read forwards."""
        offsets, files = self.listing.offsets[self.rows], self.listing.files[self.rows]
        return self.take(np.lexsort((offsets, files)))


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The work of one task: the rows of one shard."""

    kind: Kind
    split: str
    index: int
    items: Sequence[Item]

    def encode(self) -> bytes:
        """Encode for the trip through Ray Data: all units together are in the driver's memory."""
        text = json.dumps([self.kind, self.split, self.index, list(self.items)])
        return zlib.compress(text.encode(), level=1)

    @classmethod
    def decode(cls, data: bytes) -> Unit:
        """Decode what `encode` gave."""
        kind, split, index, items = json.loads(zlib.decompress(data))
        decoded = [Item(Entry(*entry), first, crops) for entry, first, crops in items]
        return cls(kind=kind, split=split, index=index, items=decoded)
