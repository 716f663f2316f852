"""The DataLoader that the stream is compared with does the stream's own work."""

from __future__ import annotations

import numpy as np
import pytest
import ray

from benchmarks.ingest import LOADER, STREAM, IngestConfig, Timing, report
from benchmarks.loader import build_loader
from pipelines.shards import read_manifest
from pipelines.training.mask_bank import read_mask_bank
from pipelines.training.streams import TrainStream, read_row_groups


@pytest.mark.ray
@pytest.mark.extended
def test_the_loader_gives_the_streams_rows_to_the_bit(prepared):
    manifest = read_manifest(prepared)
    bank = read_mask_bank(prepared, manifest, "train", size=manifest.size)
    stream = TrainStream(
        row_groups=read_row_groups(prepared, manifest, "train"),
        masks=ray.put(bank),
        batch_size=4,
        rank=0,
        world_size=1,
        seed=3,
    )
    units, _ = stream.plan(0, 5)
    loader = build_loader(units, bank, seed=3, batch_size=4, workers=1)
    for expected, batch in zip(stream.batches(0, 5), loader, strict=True):
        assert list(expected["key"]) == batch["key"]
        for name in ("image", "hole", "decoded"):
            assert np.array_equal(expected[name], batch[name].numpy())


def test_rates_are_rows_over_the_waits_that_count():
    config = IngestConfig(data="data", batch_size=10, workers=2, repeats=1)
    found = {
        STREAM: [Timing(first_s=4, next_s=1, waits_s=[0.01, 0.03])],
        LOADER: [Timing(first_s=2, next_s=0, waits_s=[0.04, 0.04])],
    }
    result = report(config, found, size=256)
    assert result.rows[0][1:3] == ["500", "250"]
    assert "2.00" in result.notes[0]
