"""The training stream: every row once an epoch, alike for a seed, exact from any step on."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
from ray.data import DataContext

from isnet.config import InputError
from pipelines.shards import SCHEMAS, encode_shard, read_manifest
from pipelines.storage import open_filesystem
from pipelines.training import streams
from pipelines.training.mask_bank import MaskBank, read_mask_bank
from pipelines.training.streams import (
    RowGroup,
    TrainStream,
    epoch_units,
    read_row_groups,
    read_units,
    steps_per_epoch,
)

pytestmark = pytest.mark.ray

SIZE = 16
ROWS = (100, 70, 33)


def _jpeg(value):
    from isnet.images import encode_jpeg

    picture = np.full((SIZE, SIZE, 3), value, dtype=np.uint8)
    picture[:, : SIZE // 2] //= 2  # not its own mirror image
    return encode_jpeg(picture)


@pytest.fixture(scope="module")
def row_groups(tmp_path_factory):
    """Three shards, five row groups, 203 rows, keys `shard/row`."""
    folder = tmp_path_factory.mktemp("shards")
    groups = []
    for index, rows in enumerate(ROWS):
        columns = {
            "key": [f"{index}/{row}" for row in range(rows)],
            "image": [_jpeg(row) for row in range(rows)],
        }
        assert set(columns) == set(SCHEMAS["images"].names)
        file = folder / f"{index:05d}.parquet"
        file.write_bytes(encode_shard("images", columns, {}))
        groups += [
            RowGroup(file=str(file), index=number, rows=min(64, rows - 64 * number))
            for number in range(-(-rows // 64))
        ]
    return groups


@pytest.fixture(scope="module")
def masks(ray_session):
    rng = np.random.default_rng(0)
    return ray.put(MaskBank.pack(rng.random((7, SIZE, SIZE)) < 0.3))


def _stream(row_groups, masks, *, rank=0, world_size=1, batch_size=8, seed=0):
    return TrainStream(
        row_groups=row_groups,
        masks=masks,
        batch_size=batch_size,
        rank=rank,
        world_size=world_size,
        seed=seed,
    )


def _keys(stream, start, stop):
    return [key for batch in stream.batches(start, stop) for key in batch["key"]]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_see_disjoint_rows_and_together_every_row_once(row_groups, world_size):
    batch_size = 6
    per_epoch = steps_per_epoch(row_groups, batch_size)
    local = per_epoch * batch_size // world_size
    seen = Counter()
    for rank in range(world_size):
        units = epoch_units(row_groups, seed=0, epoch=3, low=rank * local, high=(rank + 1) * local)
        for unit in units:
            seen.update((unit.file, unit.row_group, row) for row in range(unit.low, unit.high))
    assert set(seen.values()) == {1}
    # All rows but for a last incomplete global batch.
    assert len(seen) == per_epoch * batch_size
    assert sum(ROWS) - len(seen) < batch_size


def test_an_epoch_gives_every_row_once_across_ranks(row_groups, masks):
    per_epoch = steps_per_epoch(row_groups, 8)
    ranks = [
        _keys(_stream(row_groups, masks, rank=rank, world_size=2), 0, per_epoch)
        for rank in range(2)
    ]
    assert not set(ranks[0]) & set(ranks[1])
    together = Counter(ranks[0] + ranks[1])
    assert set(together.values()) == {1}
    assert len(together) == per_epoch * 8


def test_the_order_repeats_for_a_seed_and_differs_between_epochs_and_seeds(row_groups, masks):
    per_epoch = steps_per_epoch(row_groups, 8)
    first = _keys(_stream(row_groups, masks), 0, 2 * per_epoch)
    assert first == _keys(_stream(row_groups, masks), 0, 2 * per_epoch)
    half = 8 * per_epoch
    assert first[:half] != first[half:]
    assert first[:half] != _keys(_stream(row_groups, masks, seed=1), 0, per_epoch)


def test_resuming_in_the_middle_gives_the_same_batches(row_groups, masks):
    stream = _stream(row_groups, masks, rank=1, world_size=2)
    straight = list(stream.batches(0, 60))
    resumed = list(stream.batches(37, 60))
    assert len(straight) == 60
    for expected, batch in zip(straight[37:], resumed, strict=True):
        assert all(np.array_equal(expected[name], batch[name]) for name in expected)


def test_resuming_crosses_from_one_pipeline_to_the_next(row_groups, masks, monkeypatch):
    stream = _stream(row_groups, masks, rank=1, world_size=2)
    straight = list(stream.batches(0, 80))
    monkeypatch.setattr(streams, "_ROWS_PER_PIPELINE", 64)
    _, steps = stream.plan(37, 80)
    assert steps == 38  # to the end of the next epoch, past 64 rows; then another pipeline
    resumed = list(stream.batches(37, 80))
    for expected, batch in zip(straight[37:], resumed, strict=True):
        assert all(np.array_equal(expected[name], batch[name]) for name in expected)


def test_batches_have_the_promised_types(row_groups, masks):
    batch = next(iter(_stream(row_groups, masks).batches(0, 1)))
    assert batch["image"].shape == (8, SIZE, SIZE, 3)
    assert batch["image"].dtype == np.uint8
    assert batch["hole"].shape == (8, SIZE, SIZE)
    assert batch["hole"].dtype == bool
    assert batch["decoded"].all()


def test_reading_leaves_the_cores_to_training(row_groups, masks, monkeypatch):
    context = DataContext.get_current()
    monkeypatch.setattr(context, "custom_execution_callback_classes", [])
    next(iter(_stream(row_groups, masks).batches(0, 1)))
    assert len(context.custom_execution_callback_classes) == 1


def test_images_are_flipped_and_masks_turned_at_random(row_groups, masks):
    batches = list(_stream(row_groups, masks).batches(0, 20))
    images = np.concatenate([batch["image"] for batch in batches]).astype(int)
    darker_left = images[:, :, 0].mean(axis=(1, 2)) < images[:, :, -1].mean(axis=(1, 2))
    assert 0.3 < darker_left.mean() < 0.7
    holes = {hole.tobytes() for batch in batches for hole in batch["hole"]}
    assert 7 < len(holes) <= 7 * 8
    bank = ray.get(masks)
    turned = {
        np.rot90(hole, k=turns).tobytes()
        for index in range(len(bank))
        for hole in (bank.hole(index), bank.hole(index)[:, ::-1])
        for turns in range(4)
    }
    assert holes <= turned


def _read(file, masks, *, rows, **options):
    """The first rows of a shard's first row group, as the task reads them."""
    units = json.dumps([{"file": file, "row_group": 0, "epoch": 0, "low": 0, "high": rows}])
    (batch,) = read_units({"units": [units]}, masks=masks, seed=0, **options)
    return batch


def test_a_row_group_without_a_sound_row_gives_grey_pictures(tmp_path, masks):
    file = tmp_path / "00000.parquet"
    file.write_bytes(encode_shard("images", {"key": ["a"], "image": [b"not a picture"]}, {}))
    batch = _read(str(file), masks, rows=1)
    assert not batch["decoded"].any()
    assert (batch["image"] == 128).all()
    assert batch["image"].shape == (1, SIZE, SIZE, 3)


def test_a_damaged_row_is_replaced_by_its_neighbour_and_counted(tmp_path, masks):
    columns = {"key": ["a", "b", "c"], "image": [_jpeg(10), b"not a picture", _jpeg(200)]}
    file = tmp_path / "00000.parquet"
    file.write_bytes(encode_shard("images", columns, {}))
    batch = _read(str(file), masks, rows=3)
    assert sorted(batch["key"]) == ["a", "b", "c"]
    assert dict(zip(batch["key"], batch["decoded"], strict=True)) == {
        "a": True,
        "b": False,
        "c": True,
    }


def test_a_shard_is_opened_once_for_all_of_its_row_groups(row_groups, masks, monkeypatch):
    opened = []

    def count_and_open(location):
        opened.append(location)
        return open_filesystem(location)

    monkeypatch.setattr(streams, "open_filesystem", count_and_open)
    for cache in (streams._read_rows, streams._open, streams._open_folder):
        cache.cache_clear()
    for group in row_groups:
        assert len(streams._read_rows(group.file, group.index)) == group.rows
    assert len(opened) == 1
    assert streams._open.cache_info().misses == len(ROWS)


def test_too_few_images_for_a_batch_is_a_clear_error(row_groups):
    with pytest.raises(InputError, match="203 images, fewer than one batch of 300"):
        steps_per_epoch(row_groups, 300)


def test_crops_are_random_and_cut_from_the_picture(row_groups, ray_session):
    rng = np.random.default_rng(5)
    masks = ray.put(MaskBank.pack(rng.random((7, SIZE, SIZE)) < 0.3))
    cropped = _read(row_groups[0].file, masks, rows=32, crop_size=8)
    assert cropped["image"].shape == (32, 8, 8, 3)
    # Left and right half differ: a cut across them shows both, at another place each time.
    edges = {int(np.argmax(np.diff(row[0, :, 0].astype(int)) != 0)) for row in cropped["image"]}
    assert len(edges) > 2


def test_masks_are_cut_and_not_made_smaller(row_groups, ray_session):
    stripes = np.zeros((2, SIZE, SIZE), dtype=bool)
    stripes[:, :, ::4] = stripes[:, :, 1::4] = True  # two of four columns
    holes = _read(row_groups[0].file, ray.put(MaskBank.pack(stripes)), rows=32, crop_size=8)["hole"]
    assert holes.shape == (32, 8, 8)
    assert len({hole.tobytes() for hole in holes}) > 4  # at another place each time
    for hole in holes:
        line = hole[0] if (hole == hole[0]).all() else hole[:, 0]  # masks are turned, too
        assert np.count_nonzero(np.diff(line)) <= 4  # 7 were the stripes half as wide


def test_pictures_are_scaled_down_whole(row_groups, ray_session):
    masks = ray.put(MaskBank.pack(np.random.default_rng(5).random((7, 8, 8)) < 0.3))
    scaled = _read(row_groups[0].file, masks, rows=32, size=8)["image"]
    assert scaled.shape == (32, 8, 8, 3)
    edges = {int(np.argmax(np.abs(np.diff(row[0, :, 0].astype(int))))) for row in scaled[4:]}
    assert edges == {SIZE // 4 - 1}  # still in the middle


def test_a_variation_draws_other_masks_in_the_same_order(row_groups, masks):
    first = _read(row_groups[0].file, masks, rows=16)
    again = _read(row_groups[0].file, masks, rows=16, variation=0)
    other = _read(row_groups[0].file, masks, rows=16, variation=1)
    assert (first["key"] == other["key"]).all()
    assert (first["hole"] == again["hole"]).all()
    assert (first["hole"] != other["hole"]).any()


@pytest.fixture
def copy(prepared, tmp_path):
    """A data set of its own to damage, and its manifest."""
    shutil.copytree(prepared, tmp_path / "data")
    return tmp_path / "data", read_manifest(str(tmp_path / "data"))


def _read_all(kind, folder, manifest):
    if kind == "images":
        return read_row_groups(str(folder), manifest, "train")
    return read_mask_bank(str(folder), manifest, "train", size=manifest.size)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_shard_of_another_schema_version_is_refused(copy, kind):
    folder, manifest = copy
    path = folder / manifest.shards(kind, "train")[0].path
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"isnet.schema_version": b"1"}), path)
    with pytest.raises(InputError, match=r"has schema version 1, this program reads \d"):
        _read_all(kind, folder, manifest)


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize(
    "harm",
    [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-20])],
    ids=["gone", "cut short"],
)
def test_a_shard_that_is_gone_or_cut_short_is_named(copy, kind, harm):
    folder, manifest = copy
    path = manifest.shards(kind, "train")[1].path
    harm(folder / path)
    with pytest.raises(InputError, match=f"{path} of .* cannot be read .*; prepare the data anew"):
        _read_all(kind, folder, manifest)
