"""What a prepared data set holds: every usable file, its masks, and a manifest that sums it up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isnet.masks import decode_hole
from pipelines.preparation.config import PrepareConfig
from pipelines.prepare import prepare
from pipelines.shards import REJECTED, Manifest
from tests.pipelines.preparation.photographs import SIZE, UNUSABLE, decode, rows

pytestmark = pytest.mark.ray


def test_every_readable_file_gives_its_crops(config: PrepareConfig, manifest: Manifest) -> None:
    names = ["plain.jpg", "cmyk.jpg", "grey.JPEG", "palette.png", "alpha.png", "sixteen-bit.png"]
    expected = {f"{name}#{crop}" for name in [*names, "deep/er/turned.jpg"] for crop in range(4)}
    found = [row["key"] for row in rows(config, "images")]
    assert sorted(found) == sorted(expected | {"small.webp#0"})


def test_unusable_files_are_listed_with_their_reason(
    config: PrepareConfig, manifest: Manifest
) -> None:
    lines = (Path(config.output) / REJECTED).read_text().splitlines()
    found = {entry["file"]: entry["reason"] for entry in map(json.loads, lines)}
    assert sorted(found) == sorted(UNUSABLE)
    assert "not a picture" in found["text.jpg"]
    assert manifest.rejected == {"images": len(UNUSABLE), "masks": 0}


def test_pictures_are_rgb_of_the_size(config: PrepareConfig, manifest: Manifest) -> None:
    assert {decode(row["image"]).shape for row in rows(config, "images")} == {(SIZE, SIZE, 3)}


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_splits_share_no_source(config: PrepareConfig, manifest: Manifest, kind: str) -> None:
    train, validation = (
        {row["key"].rpartition("#")[0] or row["key"] for row in rows(config, kind, split)}
        for split in ("train", "validation")
    )
    assert train
    assert validation
    assert not train & validation


def test_masks_carry_their_hole_ratio(config: PrepareConfig, manifest: Manifest) -> None:
    found = [(decode_hole(row["mask"]), row["hole_ratio"]) for row in rows(config, "masks")]
    assert len(found) == config.generated_masks
    assert all(hole.shape == (SIZE, SIZE) for hole, _ in found)
    assert np.allclose([hole.mean() for hole, _ in found], [ratio for _, ratio in found])


def test_manifest_sums_up_the_masks(config: PrepareConfig, manifest: Manifest) -> None:
    ratios = [row["hole_ratio"] for row in rows(config, "masks")]
    assert manifest.mean_hole_ratio == pytest.approx(np.mean(ratios), abs=1e-6)
    expected = np.histogram(ratios, bins=10, range=(0, 1))[0]
    assert manifest.hole_ratio_histogram == tuple(expected)


def test_manifest_counts_the_rows_of_each_split(config: PrepareConfig, manifest: Manifest) -> None:
    for split in ("train", "validation"):
        assert manifest.rows("images", split) == len(list(rows(config, "images", split)))


def test_same_input_gives_the_same_hash(
    config: PrepareConfig, manifest: Manifest, tmp_path: Path
) -> None:
    again = prepare(replace(config, output=str(tmp_path / "again")))
    assert (again.hash, again.images, again.masks) == (
        manifest.hash,
        manifest.images,
        manifest.masks,
    )
