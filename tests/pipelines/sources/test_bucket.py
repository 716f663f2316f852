"""Patterns and tables in a bucket, below a root that brings the credentials."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.opening import Source, open_source
from pipelines.sources.table import Columns, Table
from rehearsal.object_store import ObjectStore

pytestmark = pytest.mark.slow

FILES = ("pictures/a.jpg", "pictures/cat/b c#1%.jpg", "pictures/cat/deep/d.png", "secret/e.jpg")


@pytest.fixture(scope="module")
def store(object_store: ObjectStore) -> ObjectStore:
    for name in FILES:
        object_store.put(f"sources/{name}", name.encode())
    return object_store


def opened(store: ObjectStore, location: str) -> Source:
    within = Roots((store.uri("sources/pictures"),))
    return open_source(location, "--input", within=within, columns=Columns(image="image"))


def content(source: Source) -> dict[str, bytes]:
    listing = source.list()
    assert [source.head(entry, 3) for entry in listing] == [
        source.read(entry)[:3] for entry in listing
    ]
    return {entry.key: source.read(entry) for entry in listing}


def put_table(store: ObjectStore, images: list[str]) -> None:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"image": images}), buffer)
    store.put("sources/pictures/t.parquet", buffer.getvalue())


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("", ["a.jpg", "cat/b c#1%.jpg", "cat/deep/d.png"]),
        ("/*.jpg", ["a.jpg"]),
        ("/cat/*", ["b c#1%.jpg"]),
        ("/cat/b%20c%23*", ["b c#1%.jpg"]),
        ("/**/*.{jpg,png}", ["a.jpg", "cat/b c#1%.jpg", "cat/deep/d.png"]),
        ("/c*/**/d.png", ["cat/deep/d.png"]),
    ],
)
def test_a_pattern_is_opened_as_its_root_is(
    store: ObjectStore, pattern: str, keys: list[str]
) -> None:
    found = content(opened(store, f"s3://isnet/sources/pictures{pattern}"))
    assert list(found) == keys
    assert all(data.decode().endswith(key) for key, data in found.items())


@pytest.mark.parametrize("location", ["t.parquet", "t*.parquet"])
def test_a_table_names_files_by_path_or_uri(store: ObjectStore, location: str) -> None:
    names = ["a.jpg", "cat/b c#1%.jpg", "s3://isnet/sources/pictures/cat/b%20c%231%25.jpg"]
    put_table(store, names)
    table = opened(store, f"s3://isnet/sources/pictures/{location}")
    assert isinstance(table, Table)
    read = [table.read(entry).decode() for entry in table.list()]
    assert read == [f"pictures/{name}" for name in (*names[:2], names[1])]


@pytest.mark.parametrize("location", ["tables", "tables/*.parquet", "tables/{a,b}%20*.parquet"])
def test_names_with_signs_of_uris_are_found(store: ObjectStore, location: str) -> None:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"image": [b"a"]}), buffer)
    for name in ("a #1%", "b #2?"):
        store.put(f"sources/pictures/tables/{name}.parquet", buffer.getvalue())
    found = content(opened(store, f"s3://isnet/sources/pictures/{location}"))
    assert list(found) == ["a #1%-00000000", "b #2?-00000000"]


@pytest.mark.parametrize(
    "name",
    [
        "../secret/e.jpg",
        "s3://isnet/sources/secret/e.jpg",
        "s3://isnet/sources/pictures/../secret/e.jpg",
        "s3://isnet/sources/pictures/%2e%2e/secret/e.jpg",
        "/etc/passwd",
        "file:///etc/passwd",
    ],
)
def test_files_outside_are_refused(store: ObjectStore, name: str) -> None:
    put_table(store, [name])
    table = opened(store, "s3://isnet/sources/pictures/t.parquet")
    with pytest.raises(InputError, match=r"lies outside|leads out of") as caught:
        table.read(table.list()[0])
    assert store.secret not in str(caught.value)


def test_a_file_that_is_not_there_is_its_rows_problem(store: ObjectStore) -> None:
    put_table(store, ["nowhere.jpg"])
    table = opened(store, "s3://isnet/sources/pictures/t.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        table.read(table.list()[0])


@pytest.mark.parametrize("pattern", ["secret/*.jpg", "pictures/{cat,..}/../secret/*.tar"])
def test_patterns_outside_are_refused(store: ObjectStore, pattern: str) -> None:
    with pytest.raises(InputError, match="lies outside the folders"):
        opened(store, f"s3://isnet/sources/{pattern}")
