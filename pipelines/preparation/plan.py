"""What `prepare.py` will make: the sources, cut into units of work that each write one shard."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.preparation.config import PrepareConfig
from pipelines.preparation.splits import Members, divide_masks, divide_photos
from pipelines.preparation.work import Items, Origin, Unit
from pipelines.seeding import stable_hash
from pipelines.shards import SCHEMA_VERSION, Kind

SHARD_BYTES = 128 * 1024 * 1024
"""Size that a shard of a large set has, about."""

FEWEST_SHARDS = {"train": 16, "validation": 4, "test": 4}
"""Shards of a small set: enough to spread the work and to give every training worker its own."""

MIXED_PHOTOS = 64
"""Photographs that a shard should mix, so that neighbouring training samples differ."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All units, and what tells this plan from another."""

    identity: dict[str, Any]
    """Everything that the content follows from, by the name a message should use."""
    units: dict[Kind, list[Unit]]
    """Units by kind."""
    origins: dict[Kind, dict[str, Origin]]
    """Where the files of a unit are, by kind and split."""
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
        InputError: a missing, damaged or empty source, or a single picture, which cannot be split.

    """
    photos, masks = divide_photos(config), divide_masks(config)
    units: dict[Kind, list[Unit]] = {
        "masks": list(_units(config, "masks", masks.splits, crops=1)),
        "images": list(_units(config, "images", photos.splits, config.crops_per_photo)),
    }
    identity = {
        "schema version": SCHEMA_VERSION,
        "--size": config.size,
        "--seed": config.seed,
        "--crops-per-photo": config.crops_per_photo,
        **photos.identity,
        **masks.identity,
        "shards": sum(map(len, units.values())),
    }
    return Plan(
        identity=identity,
        units=units,
        origins={
            "masks": {split: members.origin for split, members in masks.splits.items()},
            "images": {split: members.origin for split, members in photos.splits.items()},
        },
        photos=photos.files,
        mask_files=masks.files,
    )


def _units(
    config: PrepareConfig, kind: Kind, splits: dict[str, Members], crops: int
) -> Iterator[Unit]:
    """Cut all splits of one kind into units, in an order shuffled by hash."""
    for split, members in splits.items():
        shards = _shard_count(config.size, kind, split, len(members.rows) * crops)
        items = _items(members, crops, shards)
        hashes = (stable_hash(config.seed, "order", i.entry.key, i.first) for i in items)
        order = np.argsort(np.fromiter(hashes, np.uint64), kind="stable")
        shards = min(shards, len(items))
        for index in range(shards):
            low, high = index * len(items) // shards, (index + 1) * len(items) // shards
            chosen = items.take(order[low:high]).as_they_lie()
            yield Unit(kind=kind, split=split, index=index, items=chosen)


def _shard_count(size: int, kind: Kind, split: str, rows: int) -> int:
    """Shards for so many rows: of `SHARD_BYTES` each, but not too few."""
    # Bytes a pixel, measured on photographs: JPEG of quality 95, and 1-bit PNG.
    row_bytes = size * size * (0.6 if kind == "images" else 0.02)
    return max(math.ceil(rows * row_bytes / SHARD_BYTES), FEWEST_SHARDS[split])


def _items(members: Members, crops: int, shards: int) -> Items:
    """Give each photograph's crops to one shard, or to several where a shard would mix too few.

    Few photographs are decoded once per group of crops; in a large set every one is decoded once.
    """
    count = len(members.rows)
    groups = min(crops, shards, math.ceil(MIXED_PHOTOS * shards / count))
    bounds = np.array([group * crops // groups for group in range(groups + 1)], np.int32)
    return Items(
        members.listing,
        np.repeat(members.rows, groups),
        np.tile(bounds[:-1], count),
        np.tile(np.diff(bounds), count),
    )
