"""Data that changed since it was prepared: evaluations refuse it and say what is wrong with it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from isnet.config import InputError
from isnet.images import encode_jpeg
from isnet.masks import bucket_name, decode_hole, encode_hole
from pipelines.evaluation.evaluation import polarity_warning
from pipelines.evaluation.samples import load_samples
from pipelines.evaluation.work import plan_work
from pipelines.shards import read_manifest


@pytest.fixture(scope="module")
def manifest(prepared):
    return read_manifest(prepared)


def _damaged(prepared, tmp_path, kind, change):
    """Copy the data with one column of its validation shards changed."""
    folder = tmp_path / "data"
    shutil.copytree(prepared, folder)
    for path in (folder / f"{kind}s" / "validation").iterdir():
        table = parquet.read_table(path)
        values = [change(value) for value in table[kind].to_pylist()]
        column = table.schema.get_field_index(kind)
        parquet.write_table(table.set_column(column, kind, pa.array(values, pa.binary())), path)
    return str(folder)


@pytest.mark.ray
@pytest.mark.parametrize("kind", ["image", "mask"])
def test_a_damaged_row_is_named(prepared, manifest, tmp_path, kind):
    data = _damaged(prepared, tmp_path, kind, lambda value: value[: len(value) // 2])
    work = plan_work(data, manifest, images=4, seed=0)
    key = getattr(work.items[0], kind)
    with pytest.raises(InputError, match="prepare the data anew") as caught:
        load_samples(data, manifest, work)
    assert f"validation {kind} {key} of {data}" in str(caught.value)


@pytest.mark.ray
def test_a_picture_of_another_size_is_named(prepared, manifest, tmp_path):
    other = encode_jpeg(np.zeros((16, 32, 3), dtype=np.uint8))
    data = _damaged(prepared, tmp_path, "image", lambda _: other)
    work = plan_work(data, manifest, images=1, seed=0)
    with pytest.raises(InputError, match="it is 16x32 instead of 32x32"):
        load_samples(data, manifest, work)


@pytest.mark.ray
@pytest.mark.parametrize("kept", [0, 100])
def test_a_damaged_shard_is_named(prepared, manifest, tmp_path, kept):
    data = tmp_path / "data"
    shutil.copytree(prepared, data)
    path = data / "images/validation/00000.parquet"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"^images/validation/00000.parquet of .* anew"):
        plan_work(str(data), manifest, images=4, seed=0)


@pytest.mark.ray
def test_a_shard_of_another_version_is_refused(prepared, manifest, tmp_path):
    shutil.copytree(prepared, tmp_path / "data")
    path = tmp_path / "data/images/validation/00000.parquet"
    table = parquet.read_table(path)
    metadata = {**table.schema.metadata, b"isnet.schema_version": b"1"}
    parquet.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(InputError, match=r"images/validation/00000.parquet has schema version 1"):
        plan_work(str(tmp_path / "data"), manifest, images=4, seed=0)


def _inverted(mask: bytes) -> bytes:
    return encode_hole(~decode_hole(mask))


@pytest.mark.ray
@pytest.mark.parametrize("size", [0, 16])
def test_masks_of_the_wrong_polarity_are_refused(prepared, manifest, tmp_path, size):
    """Their holes lie where the picture should be known: every score would be of other work."""
    data = _damaged(prepared, tmp_path, "mask", _inverted)
    work = plan_work(data, manifest, images=4, seed=0)
    item = work.items[0]
    with pytest.raises(InputError, match=r"hole ratio of 0\.8.* other polarity") as caught:
        load_samples(data, manifest, work, size=size)
    assert f"mask {item.mask} of {data}" in str(caught.value)
    assert f"is listed for {bucket_name(item.bucket)}" in str(caught.value)


@pytest.mark.ray
def test_an_inverted_mask_is_refused_in_every_bucket(prepared, manifest, tmp_path):
    data = _damaged(prepared, tmp_path, "mask", _inverted)
    work = plan_work(data, manifest, images=40, seed=0, buckets=5)
    for bucket in {item.bucket for item in work.items}:
        items = tuple(item for item in work.items if item.bucket == bucket)
        with pytest.raises(InputError, match=f"is listed for {bucket_name(bucket)}"):
            load_samples(data, manifest, replace(work, items=items))


@pytest.mark.ray
def test_a_mask_that_lost_its_hole_is_refused(prepared, manifest, tmp_path):
    empty = encode_hole(np.zeros((32, 32), dtype=bool))
    data = _damaged(prepared, tmp_path, "mask", lambda _: empty)
    work = plan_work(data, manifest, images=1, seed=0)
    with pytest.raises(InputError, match=r"hole ratio of 0\.000, but .* damaged"):
        load_samples(data, manifest, work)


@pytest.mark.ray
def test_a_data_set_that_was_prepared_with_the_wrong_polarity_is_warned_of(manifest):
    (words,) = polarity_warning(replace(manifest, mean_hole_ratio=0.68))
    assert "cover 68% of a picture on average" in words
    assert polarity_warning(manifest) == ()
