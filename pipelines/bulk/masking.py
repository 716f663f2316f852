"""Where masks come from: files beside the pictures, one for all, or the pictures themselves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from isnet.canvas import Picture
from isnet.config import InputError
from isnet.keying import hole_from_alpha, hole_from_colour, opaque, parse_colour
from isnet.masks import Polarity
from pipelines.bulk.config import ALPHA, CHROMA, COLUMN, InpaintConfig
from pipelines.codec import CodecError, read_mask
from pipelines.confinement import Roots
from pipelines.sources.folder import unreadable
from pipelines.sources.listing import SUFFIXES, Entry, Listing
from pipelines.sources.opening import Source, open_source
from pipelines.sources.table import Table
from pipelines.storage import (
    exists,
    is_uri,
    join,
    open_filesystem,
    printable,
    read_bytes,
    split_name,
)

Kind = Literal["paired", "single", "column", "alpha", "chroma"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """A picture to be filled."""

    index: int
    """Its place in the collection."""
    entry: Entry
    mask: Entry | None
    """Of a mask that is a file of its own; None where it is found otherwise, or missing."""
    name_level: int
    """How its result is named, as `output_name` takes it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Masks:
    """How the mask of any picture of a job is found."""

    kind: Kind
    shown: str
    """How the results call a mask that is no file of its own."""
    polarity: Polarity = "white-hole"
    """Of mask files."""
    source: Source | None = None
    """Of `paired` masks."""
    listing: Listing | None = None
    beside: bool = False
    """Whether `paired` masks lie among the pictures."""
    single: bytes = b""
    """The file of the one mask."""
    colour: tuple[int, int, int] = (0, 0, 0)
    """Of missing pixels, for `chroma`."""
    tolerance: int = 0

    def identity(self) -> str:
        """What tells these masks from others."""
        if self.listing is not None:
            return self.listing.hash()[:16]
        if self.kind == "single":
            return hashlib.sha256(self.single).hexdigest()[:16]
        return f"{self.shown} {self.tolerance}" if self.kind == "chroma" else self.shown


def open_masks(config: InpaintConfig, source: Source, within: Roots | None) -> Masks:
    """Find out what masks a job has.

    Args:
        config: resolved.
        source: of the pictures.
        within: where files may lie.

    Raises:
        InputError: no such place, a colour that is none, or a column of an input without columns.

    """
    given = config.masks
    if given == ALPHA:
        return Masks(kind="alpha", shown=ALPHA)
    if given.startswith(CHROMA):
        return _chroma(config)
    if given.startswith(COLUMN):
        if not isinstance(source, Table):
            raise InputError(f"--masks {given} needs a Parquet --input; name the masks' folder")
        return Masks(kind="column", shown=given, polarity=config.mask_polarity)
    if _is_picture(given):
        return _single(config, within)
    masks = open_source(given, "--masks", within=within)
    return Masks(
        kind="paired",
        shown=printable(split_name(given)[1] or given),
        polarity=config.mask_polarity,
        source=masks,
        listing=masks.list(),
        beside=join(given) == join(config.input),
    )


def _chroma(config: InpaintConfig) -> Masks:
    try:
        colour = parse_colour(config.masks.removeprefix(CHROMA))
    except InputError as error:
        raise InputError(f"--masks {config.masks}: {error}") from error
    return Masks(
        kind="chroma", shown=config.masks, colour=colour, tolerance=config.chroma_tolerance
    )


def _is_picture(location: str) -> bool:
    base = location.partition("?")[0] if is_uri(location) else location
    return base.lower().endswith(SUFFIXES) and not any(mark in base for mark in "*{[")


def _single(config: InpaintConfig, within: Roots | None) -> Masks:
    """Read the one mask, which must be a picture."""
    shown = f"--masks {printable(config.masks)}"
    location = within.resolve(config.masks, "--masks") if within else config.masks
    try:
        filesystem, path = open_filesystem(location)
        if not exists(filesystem, path):
            raise InputError("does not exist; check the spelling")
        data = read_bytes(filesystem, path)
        read_mask(data, max_pixels=config.max_pixels)
    except InputError as error:
        raise InputError(f"{shown}: {error}") from error
    except OSError as error:
        raise InputError(f"{shown}: {unreadable(error)}; give the file of a picture") from error
    name = printable(split_name(config.masks)[1])
    return Masks(kind="single", shown=name, polarity=config.mask_polarity, single=data)


def mask_of(
    masks: Masks, picture: Picture, item: Item, source: Source, *, limit: int
) -> tuple[Picture, Image.Image]:
    """Find the mask of a picture: the picture, and the mask in display orientation.

    Where the mask is the picture's alpha, the picture comes back opaque in the hole.

    Args:
        masks: of the job.
        picture: decoded, in display orientation.
        item: the picture's.
        source: of the pictures.
        limit: most pixels of a mask.

    Raises:
        InputError: there is no mask, or it cannot be read.
        OSError: the storage does not answer.

    """
    if masks.kind == "alpha":
        hole = hole_from_alpha(picture)
        return opaque(picture, hole), Image.fromarray(hole)
    if masks.kind == "chroma":
        return picture, Image.fromarray(hole_from_colour(picture, masks.colour, masks.tolerance))
    return picture, read_mask(_mask_bytes(masks, item, source), max_pixels=limit)


def _mask_bytes(masks: Masks, item: Item, source: Source) -> bytes:
    if masks.kind == "single":
        return masks.single
    if masks.kind == "column":
        assert isinstance(source, Table)
        return source.read_mask(item.entry)
    assert masks.source is not None
    if item.mask is None:
        raise CodecError("no_mask", f"no mask of its name in {masks.shown}; add one")
    return masks.source.read(item.mask)
