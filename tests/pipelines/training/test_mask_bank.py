"""The bank of masks that every worker holds."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from isnet.masks import decode_hole
from pipelines.shards import read_manifest
from pipelines.training.mask_bank import MaskBank, read_mask_bank


def test_packed_masks_come_back(ray_session):
    holes = np.random.default_rng(1).random((5, 12, 13)) < 0.5
    bank = MaskBank.pack(holes)
    assert len(bank) == 5
    assert all(np.array_equal(bank.hole(index), holes[index]) for index in range(5))


@pytest.mark.parametrize("masks_per_task", [1, 256], ids=["a task a shard", "one task"])
def test_the_bank_keeps_the_order_of_the_shards(prepared, monkeypatch, masks_per_task):
    monkeypatch.setattr("pipelines.training.mask_bank._MASKS_PER_TASK", masks_per_task)
    manifest = read_manifest(prepared)
    expected = [
        decode_hole(mask)
        for shard in manifest.shards("masks", "train")
        for mask in pq.read_table(f"{prepared}/{shard.path}")["mask"].to_pylist()
    ]
    for _ in range(3):
        bank = read_mask_bank(prepared, manifest, "train", size=manifest.size)
        assert len(bank) == len(expected)
        assert all(np.array_equal(bank.hole(i), hole) for i, hole in enumerate(expected))
