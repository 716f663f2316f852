"""Fixed work: which mask lies on which held-out image, seeded and hashed.

Two evaluations with the same work hash compare: same data, same images, same masks, same order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from isnet.config import InputError
from isnet.masks import BUCKETS, PUBLISHED_BUCKETS, bucket_of
from pipelines.reading import read_column
from pipelines.seeding import keyed_generator
from pipelines.shards import HELD_OUT_MASKS, Manifest
from pipelines.storage import printable


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One image under one mask."""

    image: str
    """Key of the image."""
    mask: str
    """Key of the mask."""
    turns: int
    """Quarter turns of the mask."""
    bucket: int
    """Index into `isnet.masks.BUCKETS`."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A fixed list of items."""

    items: tuple[WorkItem, ...]
    split: str = "validation"
    """Split of the images."""
    data_hash: str = ""
    """Hash of the data set's content."""
    without_masks: tuple[int, ...] = ()
    """Buckets that were left out, since the data set has no held-out mask for them."""

    @property
    def hash(self) -> str:
        """Identify the work: 12 hexadecimal digits."""
        lines = [f"{i.image}\t{i.mask}\t{i.turns}\t{i.bucket}" for i in self.items]
        head = [f"data {self.data_hash}", f"split {self.split}", f"without {self.without_masks}"]
        text = "\n".join([*head, *lines])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def only(self, places: Iterable[int]) -> Work:
        """Take some of the items, by their places."""
        return replace(self, items=tuple(self.items[place] for place in places))


def plan_work(
    data: str,
    manifest: Manifest,
    *,
    images: int,
    seed: int,
    split: str = "validation",
    buckets: int = PUBLISHED_BUCKETS,
) -> Work:
    """Choose `images` items from a split, under held-out masks spread evenly over the buckets.

    Buckets for which there are no masks are left out, and those of Tables 5 and 6 are named in the
    work. Images are taken without repeating one until all were used; masks may repeat, turned.

    Args:
        data: the prepared data set.
        manifest: its manifest.
        images: how many items.
        seed: chooses them.
        split: of the images.
        buckets: how many of `isnet.masks.BUCKETS`, from the first.

    Raises:
        InputError: an empty or absent split, or no mask in any bucket.

    """
    keys = sorted(read_column(data, manifest, "images", "key", split))
    masks = _masks_by_bucket(data, manifest, buckets)
    if not keys:
        raise InputError(
            f"{printable(data)} has no {split} images; prepare it with more photographs"
        )
    if not masks:
        highest = round(BUCKETS[buckets - 1][1] * 100)
        raise InputError(
            f"{printable(data)} has no validation mask with a hole ratio in [10, {highest}) %; "
            "prepare it with more masks"
        )
    rng = keyed_generator(seed, "evaluation")
    rounds = -(-images // len(keys))
    chosen = np.concatenate([rng.permutation(len(keys)) for _ in range(rounds)])[:images]
    ranges = sorted(masks)
    items = []
    for position, index in enumerate(chosen):
        bucket = ranges[position % len(ranges)]
        mask = masks[bucket][int(rng.integers(len(masks[bucket])))]
        turns = int(rng.integers(4))
        items.append(WorkItem(image=keys[index], mask=mask, turns=turns, bucket=bucket))
    without_masks = tuple(bucket for bucket in range(PUBLISHED_BUCKETS) if bucket not in masks)
    return Work(
        items=tuple(items), split=split, data_hash=manifest.hash, without_masks=without_masks
    )


def _masks_by_bucket(data: str, manifest: Manifest, buckets: int) -> dict[int, list[str]]:
    keys = read_column(data, manifest, "masks", "key", HELD_OUT_MASKS)
    ratios = read_column(data, manifest, "masks", "hole_ratio", HELD_OUT_MASKS)
    found: dict[int, list[str]] = {}
    for key, ratio in sorted(zip(keys, ratios, strict=True)):
        bucket = bucket_of(ratio)
        if bucket is not None and bucket < buckets:
            found.setdefault(bucket, []).append(key)
    return found
