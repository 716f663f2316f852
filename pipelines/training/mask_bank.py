"""The training masks, all in memory: a bit a pixel, so that 55,116 of 256x256 are 452 MB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import ray.data

from isnet.masks import decode_hole, resize_hole
from pipelines.cluster import keep_order
from pipelines.reading import open_shard
from pipelines.shards import Manifest

_MASKS_PER_TASK = 256
"""A process that reads costs seconds to start; it decodes thousands of small masks in one."""


@dataclass(frozen=True, kw_only=True)
class MaskBank:
    """Holes of one size, packed to bits."""

    packed: np.ndarray
    """uint8 (N, ceil(H * W / 8))."""
    height: int
    width: int

    @classmethod
    def pack(cls, holes: np.ndarray) -> MaskBank:
        """Pack holes, bool (N, H, W)."""
        count, height, width = holes.shape
        packed = np.packbits(holes.reshape(count, -1), axis=1)
        return cls(packed=packed, height=height, width=width)

    def hole(self, index: int) -> np.ndarray:
        """Unpack one hole: bool (H, W)."""
        bits = np.unpackbits(self.packed[index], count=self.height * self.width)
        return bits.astype(bool).reshape(self.height, self.width)

    def __len__(self) -> int:
        """Number of holes."""
        return len(self.packed)


def read_mask_bank(data: str, manifest: Manifest, split: str, *, size: int) -> MaskBank:
    """Gather the holes of a split, decoded by Ray Data tasks and brought to a size in pixels."""
    keep_order()
    paths = [shard.path for shard in manifest.shards("masks", split)]
    masks = manifest.rows("masks", split)
    tasks = min(len(paths), -(-masks // _MASKS_PER_TASK))
    tables = ray.data.from_items(
        [{"path": path} for path in paths], override_num_blocks=tasks
    ).map_batches(partial(_read_packed_masks, data=data, size=size), batch_size=1)
    packed = np.empty((masks, -(-size * size // 8)), dtype=np.uint8)
    filled = 0
    for batch in tables.iter_batches(batch_size=None):
        packed[filled : filled + len(batch["packed"])] = batch["packed"]
        filled += len(batch["packed"])
    assert filled == len(packed)
    return MaskBank(packed=packed, height=size, width=size)


def _read_packed_masks(batch: dict[str, Any], *, data: str, size: int) -> dict[str, np.ndarray]:
    packed = []
    with open_shard(data, str(batch["path"][0])) as shard:
        for mask in shard.read(["mask"])["mask"].to_pylist():
            hole = decode_hole(mask)
            if hole.shape != (size, size):
                hole = resize_hole(hole, width=size, height=size)
            # One by one: all of a shard's would take eight times as much, unpacked.
            packed.append(MaskBank.pack(hole[None]).packed)
    return {"packed": np.concatenate(packed)}
