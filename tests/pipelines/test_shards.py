"""Shards and the manifest: round trips, row groups, the content hash, clear refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import fs, parquet

from isnet.config import InputError
from pipelines.shards import (
    MANIFEST,
    PLAN,
    ROW_GROUP,
    Manifest,
    Shard,
    check_shard_schema,
    content_hash,
    encode_shard,
    read_manifest,
    read_note,
    shard_path,
    write_manifest,
)


def shard(path: str = "images/train/00000.parquet", sha256: str = "ab") -> Shard:
    """Description of a shard that need not exist."""
    return Shard(path=path, rows=3, bytes=100, sha256=sha256)


MANIFEST_OF_ONE = Manifest(
    size=64,
    seed=1,
    images={"train": (shard(),), "validation": ()},
    masks={"train": (shard("masks/train/00000.parquet"),), "validation": ()},
    photos=3,
    mask_files=0,
    rejected={"images": 1, "masks": 0},
    mean_hole_ratio=0.25,
    hole_ratio_histogram=(0, 1, 2, 0, 0, 0, 0, 0, 0, 0),
    settings={"--size": 64, "--hole-ratio-range": [0.1, 0.6]},
    plan="cd",
    hash="ef",
)


def write(folder: Path, manifest: Manifest = MANIFEST_OF_ONE) -> None:
    """Write a manifest into a local folder."""
    write_manifest(fs.LocalFileSystem(), str(folder), manifest)


def mask_shard(rows: int) -> bytes:
    """Encode a shard of made-up masks."""
    columns = {
        "key": [f"k{row}" for row in range(rows)],
        "mask": [bytes([row % 256]) for row in range(rows)],
        "hole_ratio": [row / rows for row in range(rows)],
    }
    return encode_shard("masks", columns, {"rows": rows})


def test_manifest_comes_back(tmp_path: Path) -> None:
    write(tmp_path)
    assert read_manifest(str(tmp_path)) == MANIFEST_OF_ONE


def test_manifest_is_read_through_a_uri(tmp_path: Path) -> None:
    write(tmp_path)
    assert read_manifest(tmp_path.as_uri()) == MANIFEST_OF_ONE


def test_rows_are_summed_over_shards() -> None:
    both = replace(MANIFEST_OF_ONE, images={"train": (shard(), shard())})
    assert both.rows("images", "train") == 6


def test_unknown_split_is_refused() -> None:
    with pytest.raises(InputError, match="no split 'test'; it has train, validation"):
        MANIFEST_OF_ONE.shards("images", "test")


def test_missing_folder_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist; run pipelines/prepare\.py"):
        read_manifest(str(tmp_path / "nowhere"))


def test_folder_without_a_data_set_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no prepared data set; run pipelines/prepare\.py"):
        read_manifest(str(tmp_path))


def test_unfinished_data_set_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text("{}")
    with pytest.raises(InputError, match="is not finished; run the same"):
        read_manifest(str(tmp_path))


def test_other_schema_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    content = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps({**content, "schema_version": 99}))
    with pytest.raises(InputError, match="schema version 99, this program reads 2"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 2}', '{"size": 3}'])
def test_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError, match="is damaged"):
        read_manifest(str(tmp_path))


def test_shard_has_row_groups_of_the_agreed_size() -> None:
    file = parquet.ParquetFile(pa.BufferReader(mask_shard(150)))
    groups = [file.metadata.row_group(index).num_rows for index in range(3)]
    assert groups == [ROW_GROUP, ROW_GROUP, 150 - 2 * ROW_GROUP]


def test_shard_has_the_agreed_columns() -> None:
    schema = parquet.read_schema(pa.BufferReader(mask_shard(2)))
    expected = [("key", pa.string()), ("mask", pa.binary()), ("hole_ratio", pa.float32())]
    assert [(column.name, column.type) for column in schema] == expected
    assert schema.metadata[b"isnet.schema_version"] == b"2"


def test_rows_come_back_in_order() -> None:
    table = parquet.read_table(pa.BufferReader(mask_shard(70)))
    assert table.column("key").to_pylist() == [f"k{row}" for row in range(70)]


def test_same_rows_give_the_same_bytes() -> None:
    assert mask_shard(20) == mask_shard(20)


def test_note_comes_back() -> None:
    assert read_note(mask_shard(3)) == {"rows": 3}


@pytest.mark.parametrize("data", [b"", b"not parquet at all", mask_shard(3)[:-20]])
def test_other_files_have_no_note(data: bytes) -> None:
    assert read_note(data) == {}


def test_content_hash_does_not_depend_on_the_order() -> None:
    shards = [shard(), shard("images/train/00001.parquet", "cd")]
    assert content_hash(64, shards) == content_hash(64, shards[::-1])


def test_content_hash_depends_on_size_and_content() -> None:
    hashes = {
        content_hash(64, [shard()]),
        content_hash(128, [shard()]),
        content_hash(64, [shard(sha256="cd")]),
        content_hash(64, [shard("images/validation/00000.parquet")]),
    }
    assert len(hashes) == 4


def test_shard_names_sort_by_index() -> None:
    names = [shard_path("images", "train", index) for index in (2, 10, 100)]
    assert names == sorted(names)


def test_shard_of_this_version_is_read() -> None:
    metadata = parquet.ParquetFile(pa.BufferReader(mask_shard(3))).metadata
    check_shard_schema(metadata, "masks/train/00000.parquet")


@pytest.mark.parametrize(
    ("version", "found"), [({b"isnet.schema_version": b"1"}, "1"), ({}, "none")]
)
def test_shard_of_another_version_is_refused(version: dict[bytes, bytes], found: str) -> None:
    table = parquet.read_table(pa.BufferReader(mask_shard(3))).replace_schema_metadata(version)
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    metadata = parquet.ParquetFile(pa.BufferReader(sink.getvalue())).metadata
    message = f"x/00000.parquet has schema version {found}, this program reads 2; prepare the data"
    with pytest.raises(InputError, match=message):
        check_shard_schema(metadata, "x/00000.parquet")
