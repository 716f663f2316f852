"""Files that a table names must lie where files may be read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.opening import open_source
from pipelines.sources.table import Columns, Table


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("root/in.jpg", "outside/out.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "root" / "link.jpg").symlink_to("../outside/out.jpg")
    (tmp_path / "root" / "link").symlink_to("../outside")
    return tmp_path / "root"


def naming(root: Path, path: str) -> Table:
    parquet.write_table(pa.table({"image": [path]}), root / "t.parquet")
    columns = Columns(image="image")
    within = Roots((str(root),))
    source = open_source(str(root / "t.parquet"), "--input", within=within, columns=columns)
    assert isinstance(source, Table)
    return source


@pytest.mark.parametrize("path", ["in.jpg", "./in.jpg", "{root}/in.jpg", "file://{root}/in.jpg"])
def test_files_inside_are_read(root: Path, path: str) -> None:
    table = naming(root, path.format(root=root))
    assert table.read(table.list()[0]) == b"root/in.jpg"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/out.jpg",
        "{root}/../outside/out.jpg",
        "{root}/nowhere/../../outside/out.jpg",
        "file://{root}/../outside/out.jpg",
        "file://{root}/%2e%2e/outside/out.jpg",
        "link.jpg",
        "link/out.jpg",
        "{root}/link/out.jpg",
        "s3://bucket/a.jpg",
        "a\0.jpg",
    ],
)
def test_files_outside_are_refused(root: Path, path: str) -> None:
    table = naming(root, path.format(root=root))
    (entry,) = table.list()
    for take in (table.read, table.head):
        with pytest.raises(InputError, match=r"lies outside|link out of|leads out of|has a NUL"):
            take(entry)


def test_a_table_outside_is_refused(root: Path) -> None:
    naming(root, "in.jpg")
    (root / "t.parquet").rename(root.parent / "outside" / "t.parquet")
    for location in (root.parent / "outside" / "t.parquet", root / "link" / "*.parquet"):
        with pytest.raises(InputError, match="lies outside the folders"):
            open_source(
                str(location),
                "--input",
                within=Roots((str(root),)),
                columns=Columns(image="image"),
            )
