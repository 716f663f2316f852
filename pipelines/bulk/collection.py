"""The pictures of a job and their masks: what is there, and which belongs to which."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from typing import Any

import numpy as np

from isnet.config import InputError
from pipelines.bulk.config import COLUMN, InpaintConfig
from pipelines.bulk.masking import Item, Masks, open_masks
from pipelines.bulk.naming import name_levels
from pipelines.bulk.pairing import pair, without_masks
from pipelines.cli import one_line
from pipelines.confinement import Roots
from pipelines.sources.folder import Folder
from pipelines.sources.listing import Listing
from pipelines.sources.opening import Source, open_source
from pipelines.sources.table import Columns
from pipelines.sources.zip import Zip
from pipelines.storage import printable


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """All pictures of a job, as columns: a million take 100 MB."""

    source: Source
    listing: Listing
    masks: Masks
    pairs: np.ndarray | None
    """int64, for each picture its mask's place in the masks' listing, -1 for none; None where masks
    are no files beside the pictures'."""
    name_levels: np.ndarray
    """int8, for each picture."""

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.listing)

    def item(self, index: int) -> Item:
        """Give one picture."""
        mask = None
        if self.pairs is not None and self.pairs[index] >= 0:
            assert self.masks.listing is not None
            mask = self.masks.listing[int(self.pairs[index])]
        level = int(self.name_levels[index])
        return Item(index=index, entry=self.listing[index], mask=mask, name_level=level)

    @property
    def without_mask(self) -> int:
        """Pictures that should have a mask's file and have none."""
        return 0 if self.pairs is None else int((self.pairs < 0).sum())

    def places(self) -> list[tuple[str, str, str]]:
        """Where files are read: the option, its value, and a file or folder that is there."""
        sources = (("--input", self.source), ("--masks", self.masks.source))
        found = []
        for flag, source in sources:
            if source is not None:
                shown = source.name.removeprefix(f"{flag} ")
                found.append((flag, shown, _first_place(source)))
        return found

    def identity(self) -> dict[str, Any]:
        """What tells this collection from another, by the name a message should use."""
        pairs = b"" if self.pairs is None else self.pairs.tobytes()
        return {
            "pictures": len(self),
            "the pictures in --input": self.listing.hash()[:16],
            "the masks in --masks": self.masks.identity(),
            "pairs": hashlib.sha256(pairs).hexdigest()[:16],
        }


def open_collection(config: InpaintConfig) -> Collection:
    """List the pictures and the masks, and bring them together.

    Raises:
        InputError: a missing, damaged or empty source, or masks that belong to no picture.

    """
    within = Roots(config.within) if config.within else None
    source = open_source(config.input, "--input", within=within, columns=_columns(config))
    masks = open_masks(config, source, within)
    listing = source.list()
    pairs = None
    if masks.listing is not None:
        if masks.beside:
            listing = without_masks(listing, config.mask_suffix)
        name = f"--masks {printable(config.masks)}"
        pairs = pair(listing, masks.listing, suffix=config.mask_suffix, name=name)
    return Collection(
        source=source,
        listing=listing,
        masks=masks,
        pairs=pairs,
        name_levels=name_levels(listing.keys),
    )


def _first_place(source: Source) -> str:
    return source.location if isinstance(source, Folder | Zip) else source.locations[0]


def unanswered(key: str, error: OSError) -> InputError:
    """Make the error of storage that does not answer, on whatever node that was."""
    node = socket.gethostname()
    if isinstance(error, FileNotFoundError):  # which sources raise with their name
        return InputError(
            f"{error} is not visible on {node}; put the files where every node of the cluster sees "
            "them"
        )
    return InputError(
        f"{key} cannot be read on {node}: {printable(one_line(error))}; run the same command "
        "again: what is done is kept"
    )


def _columns(config: InpaintConfig) -> Columns:
    mask = config.masks.removeprefix(COLUMN) if config.masks.startswith(COLUMN) else None
    if mask == "":
        raise InputError(f"--masks {COLUMN} names no column; write {COLUMN}mask")
    return Columns(image=config.image_column, name=config.name_column, mask=mask)
