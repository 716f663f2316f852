"""Which picture and which mask belongs to which split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from isnet.config import InputError
from isnet.masks import Polarity
from pipelines.preparation.config import PrepareConfig
from pipelines.preparation.partition import read_partition
from pipelines.preparation.work import Origin
from pipelines.seeding import stable_hash
from pipelines.shards import HELD_OUT_MASKS
from pipelines.sources.listing import Entry, Listing
from pipelines.sources.opening import open_source
from pipelines.storage import printable


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """The files of one split of one kind."""

    origin: Origin
    listing: Listing
    """All files of the origin."""
    rows: np.ndarray
    """Indices of the split's own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Division:
    """The splits of one kind, and what they follow from."""

    splits: dict[str, Members]
    identity: dict[str, Any]
    """By the name a message should use."""

    @property
    def files(self) -> int:
        """Count the files that were found."""
        return sum(len(members.rows) for members in self.splits.values() if members.origin.source)


def divide_photos(config: PrepareConfig) -> Division:
    """List the photographs and divide them: as told, or by a share.

    Raises:
        InputError: a source or a partition file that cannot be used.

    """
    photos = _listed(config.photos, "--photos")
    identity = _described(photos)
    if config.partition is not None:
        partition = read_partition(config.partition, "--partition")
        assert photos.origin.source is not None
        splits = {
            split: _part(photos, rows)
            for split, rows in partition.split(photos.listing, photos.origin.source.name).items()
        }
        identity["--partition"] = f"file {partition.hash[:12]}"
        return Division(splits=splits, identity=identity)
    if config.validation_photos is None:
        splits, shared = _share(photos, config.validation_percent)
        identity |= shared
    else:
        held_out = _listed(config.validation_photos, "--validation-photos")
        splits = {"train": photos, "validation": held_out}
        identity |= _described(held_out)
    if config.test_photos is not None:
        splits["test"] = _listed(config.test_photos, "--test-photos")
        identity |= _described(splits["test"])
    return Division(splits=splits, identity=identity)


def divide_masks(config: PrepareConfig) -> Division:
    """List the masks and divide them into those of training and the held-out ones.

    Raises:
        InputError: a source that cannot be used.

    """
    if config.masks is None:
        masks = _generated(config.generated_masks, "--masks")
    else:
        masks = _listed(config.masks, "--masks", config.mask_polarity)
    identity = _described(masks)
    if config.masks is None:
        identity["--generated-masks"] = config.generated_masks
        identity["--hole-ratio-range"] = list(config.hole_ratio_range)
    else:
        identity["--mask-polarity"] = config.mask_polarity
    if config.heldout_masks is None:
        splits, shared = _share(masks, config.validation_percent)
        return Division(splits=splits, identity={**identity, **shared})
    held_out = _listed(config.heldout_masks, "--heldout-masks", config.heldout_mask_polarity)
    identity |= _described(held_out)
    identity["--heldout-mask-polarity"] = config.heldout_mask_polarity
    return Division(splits={"train": masks, HELD_OUT_MASKS: held_out}, identity=identity)


def _listed(location: str, flag: str, polarity: Polarity = "white-hole") -> Members:
    """List all files of a source."""
    try:
        source = open_source(location, flag)
        listing = source.list()
    except OSError as error:
        reason = printable(str(error).splitlines()[0])
        raise InputError(f"{flag} {printable(location)} cannot be read: {reason}") from error
    origin = Origin(flag=flag, source=source, polarity=polarity)
    return Members(origin=origin, listing=listing, rows=np.arange(len(listing)))


def _generated(count: int, flag: str) -> Members:
    """Name the masks that are to be generated."""
    listing = Listing.of(Entry(f"generated/{index:07d}") for index in range(count))
    return Members(origin=Origin(flag=flag, source=None), listing=listing, rows=np.arange(count))


def _part(members: Members, rows: np.ndarray) -> Members:
    return Members(origin=members.origin, listing=members.listing, rows=rows)


def _described(members: Members) -> dict[str, Any]:
    """Say what a split's files are, so that others are noticed."""
    if members.origin.source is None:
        return {members.origin.flag: "generated"}
    listing = members.listing
    return {members.origin.flag: f"{len(listing)} files, listing {listing.hash()[:12]}"}


def _share(members: Members, percent: float) -> tuple[dict[str, Members], dict[str, Any]]:
    """Hold out a share of the files."""
    if len(members.rows) < 2:
        raise InputError(
            f"{members.origin.flag} holds one picture; give two or more, one is held out"
        )
    keys = (entry.key for entry in members.listing)
    splits = {
        split: _part(members, rows)
        for split, rows in split_keys(keys, validation_percent=percent).items()
    }
    return splits, {"--validation-percent": percent}


def split_keys(keys: Iterable[str], *, validation_percent: float) -> dict[str, np.ndarray]:
    """Divide keys into `train` and `validation` by a hash of each key.

    A key's split does not depend on the other keys, so a set can grow without moving what is in
    it. A small set is the exception: should its hashes leave a split empty, the key with the
    lowest (highest) hash becomes its validation (training) part.

    Args:
        keys: distinct keys, at least two.
        validation_percent: share of the validation split, in (0, 100).

    Returns:
        the indices of each split's keys, in the order of the hashes and so shuffled.

    """
    hashes = np.fromiter((stable_hash("split", key) for key in keys), np.uint64)
    ranked = np.argsort(hashes, kind="stable")
    limit = np.uint64(int(validation_percent / 100 * 2**64))
    count = int((hashes < limit).sum())
    count = min(max(count, 1), len(ranked) - 1)
    return {"train": ranked[count:], "validation": ranked[:count]}
