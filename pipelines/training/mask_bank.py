"""The training masks, all in memory: a bit a pixel, so that 12,000 of 256x256 are 98 MB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import ray.data

from isnet.masks import decode_hole, resize_hole
from pipelines.cluster import keep_order
from pipelines.shards import Manifest
from pipelines.storage import join, open_filesystem


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
    uris = [join(data, shard.path) for shard in manifest.shards("masks", split)]
    tables = ray.data.from_items(
        [{"file": uri} for uri in uris], override_num_blocks=len(uris)
    ).map_batches(partial(_read_packed_masks, size=size), batch_size=1)
    packed = np.empty((manifest.rows("masks", split), -(-size * size // 8)), dtype=np.uint8)
    filled = 0
    for batch in tables.iter_batches(batch_size=None):
        packed[filled : filled + len(batch["packed"])] = batch["packed"]
        filled += len(batch["packed"])
    assert filled == len(packed)
    return MaskBank(packed=packed, height=size, width=size)


def _read_packed_masks(batch: dict[str, Any], *, size: int) -> dict[str, np.ndarray]:
    filesystem, path = open_filesystem(str(batch["file"][0]))
    column = pq.read_table(path, columns=["mask"], filesystem=filesystem)["mask"]
    holes = [decode_hole(data) for data in column.to_pylist()]
    sized = [
        h if h.shape == (size, size) else resize_hole(h, width=size, height=size) for h in holes
    ]
    return {"packed": MaskBank.pack(np.stack(sized)).packed}
