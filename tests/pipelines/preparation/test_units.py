"""The body of a task: rows of photographs and masks, written as one shard. Without Ray."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from isnet.config import InputError
from isnet.masks import decode_hole, encode_hole
from pipelines.preparation.config import PrepareConfig
from pipelines.preparation.units import image_rows, make_shard, mask_rows, write_units
from pipelines.preparation.work import Item, Origin, Unit
from pipelines.sources.listing import Entry
from pipelines.sources.opening import open_source
from tests.pipelines.preparation.archives import jpeg, write_tar
from tests.pipelines.preparation.photographs import SIZE, decode


def origin(folder: str | Path, flag: str = "--photos") -> Origin:
    return Origin(flag=flag, source=open_source(str(folder), flag))


def rows(config: PrepareConfig, key: str, first: int, crops: int) -> list[tuple]:
    return image_rows(Item(Entry(key), first, crops), config, origin(config.photos))


def one_photo(config: PrepareConfig, key: str, crops: int = 1) -> list[np.ndarray]:
    return [decode(data) for _, data in rows(config, key, 0, crops)]


@pytest.mark.parametrize("key", ["plain.jpg", "deep/er/turned.jpg"])
def test_first_crop_is_the_centred_square(config: PrepareConfig, photos: Path, key: str) -> None:
    with Image.open(photos / key) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    expected = ImageOps.fit(upright, (SIZE, SIZE), Image.Resampling.LANCZOS)
    (found,) = one_photo(config, key)
    assert np.abs(found - np.asarray(expected)).mean() < 3  # JPEG's own error


def test_further_crops_differ_and_repeat(config: PrepareConfig) -> None:
    first, second = (one_photo(config, "plain.jpg", crops=4) for _ in range(2))
    assert np.array_equal(first, second)
    assert len({picture.tobytes() for picture in first}) == 4


def test_a_crop_does_not_depend_on_the_shard_it_is_in(config: PrepareConfig) -> None:
    together = rows(config, "plain.jpg", 0, 4)
    apart = [row for crop in range(4) for row in rows(config, "plain.jpg", crop, 1)]
    assert together == apart


def test_mask_file_is_cropped_to_a_square_and_stays_binary(
    config: PrepareConfig, tmp_path: Path
) -> None:
    hole = np.zeros((SIZE, 3 * SIZE), dtype=bool)
    hole[:, :SIZE] = True  # left third: outside the square
    hole[: SIZE // 2, SIZE : 2 * SIZE] = True
    (tmp_path / "wide.png").write_bytes(encode_hole(hole))
    item = Item(Entry("wide.png"), 0, 1)
    ((_, data, ratio),) = mask_rows(item, config, origin(tmp_path, "--masks"))
    assert ratio == 0.5
    assert np.array_equal(decode_hole(data), hole[:, SIZE : 2 * SIZE])


@pytest.mark.parametrize(
    ("becomes", "message"),
    [
        ("nothing", r"^--photos .*x\.tar is not visible on .*; put the files where every node"),
        ("a folder", r"^--photos: a\.jpg cannot be read on .*; run the same command again"),
    ],
)
def test_an_archive_that_cannot_be_read_is_no_fault_of_its_pictures(
    config: PrepareConfig, samples: Path, tmp_path: Path, becomes: str, message: str
) -> None:
    archive = write_tar(tmp_path / "x.tar", {"a.jpg": jpeg(samples)})
    source = origin(archive)
    (entry,) = source.source.list()
    archive.unlink()
    if becomes == "a folder":
        archive.mkdir()
    unit = Unit(kind="images", split="train", index=0, items=[Item(entry, 0, 1)])
    output = replace(config, output=str(tmp_path / "out"))
    with pytest.raises(InputError, match=message):
        make_shard(unit, output, source, "ab")
    assert not (tmp_path / "out").exists()


def test_callable_for_ray_data_needs_no_ray(config: PrepareConfig, tmp_path: Path) -> None:
    unit = Unit(
        kind="masks", split="train", index=7, items=[Item(Entry("generated/0000001"), 0, 1)]
    )
    batch = {"unit": np.array([unit.encode()], dtype=object)}
    (done,) = write_units(
        batch,
        config=replace(config, output=str(tmp_path)),
        origins={"train": Origin(flag="--masks", source=None)},
        plan_hash="ab",
    )["done"]
    assert json.loads(done)["shard"]["path"] == "masks/train/00007.parquet"
    assert (tmp_path / "masks/train/00007.parquet").exists()
