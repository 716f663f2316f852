"""What `prepare.py` will make: its options, cut into units of work that each write one shard."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from isnet.config import InputError
from isnet.masks import Polarity
from pipelines.preparation.sources import Folder, listing_hash, split_keys
from pipelines.seeding import stable_hash
from pipelines.shards import SCHEMA_VERSION, Kind

SHARD_BYTES = 128 * 1024 * 1024
"""Size that a shard of a large set has, about."""

FEWEST_SHARDS = {"train": 16, "validation": 4}
"""Shards of a small set: enough to spread the work and to give every training worker its own."""

MIXED_PHOTOS = 64
"""Photographs that a shard should mix, so that neighbouring training samples differ."""


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Options of `prepare.py`."""

    photos: str
    """Folder of photographs, any sizes, searched at any depth; a path or a URI."""
    output: str
    """Folder or URI of the data set to make."""
    masks: str | None = None
    """Folder of mask pictures; without it, irregular masks are generated."""
    mask_polarity: Polarity = "white-hole"
    """Colour of the hole in the mask files; of NVIDIA's training masks black, testing white."""
    size: int = 256
    """Side of the training pictures and masks, in pixels; divisible by 16."""
    crops_per_photo: int = 1
    """Pictures cut from a photograph: its centred square, then random ones if it is large."""
    generated_masks: int = 2000
    """Masks to generate when there is no folder of them."""
    hole_ratio_range: tuple[float, float] = (0.05, 0.6)
    """Hole ratios of the generated masks, spread evenly over [low, high)."""
    validation_percent: float = 5.0
    """Share of the photographs and of the masks that is held out, at least one of each."""
    seed: int = 0
    """Seed of the crops, the order and the generated masks."""
    overwrite: bool = False
    """Delete the data set that `output` holds, and make it anew."""
    dry_run: bool = False
    """Print the options and what would be made, and stop."""

    def __post_init__(self) -> None:
        """Reject what could not be prepared or trained on."""
        if self.size < 16 or self.size % 16:
            nearest = max(16, round(self.size / 16) * 16)
            raise InputError(f"--size {self.size} is not divisible by 16; use {nearest}")
        for flag, value, least in (
            ("--crops-per-photo", self.crops_per_photo, 1),
            ("--generated-masks", self.generated_masks, 2),
        ):
            if value < least:
                raise InputError(f"{flag} {value}; it must be at least {least}")
        if not 0 < self.validation_percent < 100:
            raise InputError(
                f"--validation-percent {self.validation_percent}; give a value between 0 and 100"
            )
        low, high = self.hole_ratio_range
        if not 0 <= low < high <= 1:
            raise InputError(f"--hole-ratio-range {low} {high}; give 0 <= low < high <= 1")

    def photo_source(self) -> Folder:
        """Where the photographs are."""
        return Folder(location=self.photos, flag="--photos")

    def mask_source(self) -> Folder | None:
        """Where the masks are; None when they are generated."""
        return None if self.masks is None else Folder(location=self.masks, flag="--masks")


class Item(NamedTuple):
    """A source file and which of its crops to make; masks have one."""

    key: str
    first: int
    crops: int


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The work of one task: the rows of one shard."""

    kind: Kind
    split: str
    index: int
    items: Sequence[Item]

    def to_json(self) -> str:
        """Encode for the trip through Ray Data."""
        return json.dumps([self.kind, self.split, self.index, self.items])

    @classmethod
    def from_json(cls, text: str) -> Unit:
        """Decode what `to_json` gave."""
        kind, split, index, items = json.loads(text)
        return cls(kind=kind, split=split, index=index, items=[Item(*item) for item in items])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All units, and what tells this plan from another."""

    identity: dict[str, Any]
    """Everything that the content follows from, by the name a message should use."""
    units: dict[Kind, list[Unit]]
    """Units by kind."""
    photos: int
    """Photographs that were found."""
    mask_files: int
    """Mask files that were found."""

    @property
    def hash(self) -> str:
        """Hash of the identity, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()


def make_plan(config: PrepareConfig) -> Plan:
    """List the sources and cut them into units; the same sources and options give the same plan.

    Raises:
        InputError: a missing or empty folder, or a single picture, which cannot be split.

    """
    photos = config.photo_source().list()
    source = config.mask_source()
    files = source.list() if source else []
    masks = [key for key, _ in files] or _generated_keys(config.generated_masks)
    for flag, count in (("--photos", len(photos)), ("--masks", len(masks))):
        if count < 2:
            raise InputError(f"{flag} holds one picture; give two or more, one is held out")
    units: dict[Kind, list[Unit]] = {
        "masks": list(_units(config, "masks", masks, crops=1)),
        "images": list(_units(config, "images", [k for k, _ in photos], config.crops_per_photo)),
    }
    return Plan(
        identity=_identity(config, photos, files, units),
        units=units,
        photos=len(photos),
        mask_files=len(files),
    )


def _generated_keys(count: int) -> list[str]:
    return [f"generated/{index:07d}" for index in range(count)]


def _identity(
    config: PrepareConfig,
    photos: Sequence[tuple[str, int]],
    masks: Sequence[tuple[str, int]],
    units: dict[Kind, list[Unit]],
) -> dict[str, Any]:
    identity: dict[str, Any] = {
        "schema version": SCHEMA_VERSION,
        "--size": config.size,
        "--seed": config.seed,
        "--crops-per-photo": config.crops_per_photo,
        "--validation-percent": config.validation_percent,
        "--photos": f"{len(photos)} files, listing {listing_hash(photos)[:12]}",
        "shards": sum(map(len, units.values())),
    }
    if config.masks is None:
        identity["--masks"] = "generated"
        identity["--generated-masks"] = config.generated_masks
        identity["--hole-ratio-range"] = list(config.hole_ratio_range)
    else:
        identity["--masks"] = f"{len(masks)} files, listing {listing_hash(masks)[:12]}"
        identity["--mask-polarity"] = config.mask_polarity
    return identity


def _units(config: PrepareConfig, kind: Kind, keys: Sequence[str], crops: int) -> Iterator[Unit]:
    """Cut both splits of one kind into units, in an order shuffled by hash."""
    for split, members in split_keys(keys, validation_percent=config.validation_percent).items():
        shards = _shard_count(config.size, kind, split, len(members) * crops)
        items = _items(members, crops, shards)
        items.sort(key=lambda item: stable_hash(config.seed, "order", item.key, item.first))
        shards = min(shards, len(items))
        for index in range(shards):
            low, high = index * len(items) // shards, (index + 1) * len(items) // shards
            yield Unit(kind=kind, split=split, index=index, items=items[low:high])


def _shard_count(size: int, kind: Kind, split: str, rows: int) -> int:
    """Shards for so many rows: of `SHARD_BYTES` each, but not too few."""
    # Bytes a pixel, measured on photographs: JPEG of quality 95, and 1-bit PNG.
    row_bytes = size * size * (0.6 if kind == "images" else 0.02)
    return max(math.ceil(rows * row_bytes / SHARD_BYTES), FEWEST_SHARDS.get(split, 1))


def _items(keys: Sequence[str], crops: int, shards: int) -> list[Item]:
    """Give each photograph's crops to one shard, or to several where a shard would mix too few.

    Few photographs are decoded once per group of crops; in a large set every one is decoded once.
    """
    groups = min(crops, shards, math.ceil(MIXED_PHOTOS * shards / len(keys)))
    bounds = [group * crops // groups for group in range(groups + 1)]
    return [Item(key, low, high - low) for key in keys for low, high in pairwise(bounds)]
