"""The plan: which crops of which files each shard holds. Without Ray."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from isnet.config import InputError
from isnet.images import centre_square, encode_jpeg, open_image, square_crop
from pipelines.preparation.config import PrepareConfig
from pipelines.preparation.plan import MIXED_PHOTOS, SHARD_BYTES, _shard_count, make_plan
from pipelines.sources.opening import open_source
from tests.pipelines.preparation.photographs import photo


def test_every_crop_of_every_photograph_is_planned_once(config: PrepareConfig) -> None:
    planned = sorted(
        (item.entry.key, crop)
        for unit in make_plan(config).units["images"]
        for item in unit.items
        for crop in range(item.first, item.first + item.crops)
    )
    keys = [entry.key for entry in open_source(config.photos, "--photos").list()]
    assert planned == sorted((key, crop) for key in keys for crop in range(4))


def test_few_photographs_are_mixed_in_every_shard(samples: Path, tmp_path: Path) -> None:
    config = PrepareConfig(photos=str(samples), output=str(tmp_path), size=64, crops_per_photo=48)
    units = [unit for unit in make_plan(config).units["images"] if unit.split == "train"]
    assert len(units) == 16
    assert min(len({item.entry.key for item in unit.items}) for unit in units) > 5


def test_many_photographs_are_each_decoded_once(tmp_path: Path) -> None:
    for index in range(40 * MIXED_PHOTOS):
        (tmp_path / f"{index}.jpg").touch()
    units = make_plan(PrepareConfig(photos=str(tmp_path), output="x", crops_per_photo=3)).units[
        "images"
    ]
    keys = [item.entry.key for unit in units if unit.split == "train" for item in unit.items]
    assert len(keys) == len(set(keys))


def test_shards_of_a_large_set_have_about_128_mib(samples: Path) -> None:
    pictures = [open_image(path) for path in sorted(samples.glob("*.jpg"))]
    squares = [square_crop(p, box=centre_square(p), size=256) for p in pictures]
    row_bytes = sum(len(encode_jpeg(square)) for square in squares) / len(squares)
    rows = 1_803_460  # of Places2
    size = rows * row_bytes / _shard_count(256, "images", "train", rows)
    assert size == pytest.approx(SHARD_BYTES, rel=0.25)
    assert _shard_count(256, "images", "train", 1000) == 16


def test_empty_mask_folder_is_refused(config: PrepareConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--masks .* holds no pictures"):
        make_plan(replace(config, masks=str(tmp_path)))


def test_a_single_photograph_cannot_be_split(
    config: PrepareConfig, samples: Path, tmp_path: Path
) -> None:
    photo(samples).save(tmp_path / "only.jpg")
    with pytest.raises(InputError, match="give two or more"):
        make_plan(replace(config, photos=str(tmp_path)))
