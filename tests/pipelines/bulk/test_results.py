"""Parts: what they say, which count, and the table they become."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipelines.bulk.results import (
    DONE,
    FAILED,
    SCHEMA,
    Row,
    encode_rows,
    find_parts,
    join_parts,
    part_path,
    read_part,
    read_results,
)


def rows_of(unit: int) -> list[Row]:
    """Three done and one failed."""
    done = {"mask": "m.png", "output": "o.png", "hole_ratio": 0.25, "passes": 2, "status": DONE}
    failed = {"status": FAILED, "reason": "no_mask", "error": "no mask of its name"}
    names = [f"{unit}/{number}.png" for number in range(4)]
    return [{"input": name, **(failed if name.endswith("3.png") else done)} for name in names]


def write_part(output: Path, unit: int, data: bytes) -> Path:
    path = output / part_path(unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Parts of three units."""
    for unit in range(3):
        write_part(tmp_path, unit, encode_rows(rows_of(unit)))
    return tmp_path


def test_parts_tell_how_many_are_done_and_have_failed(output):
    assert find_parts(str(output)) == dict.fromkeys(range(3), (3, 1))


def test_a_job_that_has_not_begun_has_no_parts(tmp_path):
    assert find_parts(str(tmp_path / "new")) == {}
    assert read_part(str(tmp_path / "new"), 0) == []
    assert list(read_results(str(tmp_path / "new"))) == []


def test_a_part_holds_what_was_written(output):
    expected = [dict.fromkeys(SCHEMA.names) | row for row in rows_of(1)]
    assert read_part(str(output), 1) == expected


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.99])
def test_a_part_that_is_cut_short_is_none(share, output):
    path = output / part_path(1)
    os.truncate(path, int(share * path.stat().st_size))
    assert find_parts(str(output)).keys() == {0, 2}
    assert read_part(str(output), 1) == []
    assert {row["input"][0] for row in read_results(str(output))} == {"0", "2"}


def test_a_part_of_other_columns_is_none(output):
    parquet.write_table(pa.table({"status": [DONE]}), output / part_path(1))
    assert find_parts(str(output)).keys() == {0, 2}
    assert read_part(str(output), 1) == []


def test_what_a_killed_process_left_is_no_part(output):
    path = output / part_path(1)
    path.rename(path.with_name(f".{path.name}.0123.tmp"))
    assert find_parts(str(output)).keys() == {0, 2}


def test_the_table_has_all_rows_in_the_order_of_the_units(tmp_path):
    units = 130  # more than are read at once
    for unit in reversed(range(units)):
        write_part(tmp_path, unit, encode_rows(rows_of(unit)))
    join_parts(str(tmp_path), units, tmp_path / "table.parquet", {"model": "m"})
    table = parquet.read_table(tmp_path / "table.parquet")
    assert table.schema.equals(SCHEMA)
    assert json.loads(table.schema.metadata[b"isnet.inpaint"]) == {"model": "m"}
    expected = [row["input"] for unit in range(units) for row in rows_of(unit)]
    assert table["input"].to_pylist() == expected
    assert [row["input"] for row in read_results(str(tmp_path))] == expected
