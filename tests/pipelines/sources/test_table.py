"""Parquet tables: kinds of columns, keys, masks, and rows that hold nothing."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from isnet.config import InputError
from pipelines.sources import row_groups
from pipelines.sources.folder import Folder
from pipelines.sources.opening import open_source
from pipelines.sources.table import Columns, Table

HUGGING_FACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
PICTURES = [b"first picture", b"second", b"third"]


def write(path: Path, table: Mapping[str, Any], *, rows: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(dict(table)), path, row_group_size=rows)
    return path


def opened(location: object, **columns: str) -> Table:
    source = open_source(str(location), "--input", columns=Columns(**{"image": "image", **columns}))
    assert isinstance(source, Table)
    return source


def content(table: Table) -> dict[str, bytes]:
    return {entry.key: table.read(entry) for entry in table.list()}


def refusal(location: object, **columns: str) -> str:
    with pytest.raises(InputError) as caught:
        opened(location, **columns).list()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def numbered(stem: str, pictures: Sequence[bytes] = PICTURES) -> dict[str, bytes]:
    return {f"{stem}-{row:08d}": picture for row, picture in enumerate(pictures)}


@pytest.mark.parametrize(
    "type_", [pa.binary(), pa.large_binary(), pa.struct([("bytes", pa.binary())])]
)
def test_bytes_without_names_are_numbered(tmp_path: Path, type_: pa.DataType) -> None:
    cells = [{"bytes": data} for data in PICTURES] if pa.types.is_struct(type_) else PICTURES
    path = write(tmp_path / "some.photos.parquet", {"image": pa.array(cells, type_)})
    assert content(opened(path)) == numbered("some.photos")


@pytest.mark.parametrize("type_", [pa.dictionary(pa.int32(), pa.binary()), pa.binary_view()])
def test_bytes_may_be_stored_in_any_way(tmp_path: Path, type_: pa.DataType) -> None:
    column = pa.array(PICTURES)
    column = column.dictionary_encode() if pa.types.is_dictionary(type_) else column.cast(type_)
    assert content(opened(write(tmp_path / "t.parquet", {"image": column}))) == numbered("t")


def test_empty_bytes_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"of a file")
    cells = pa.array([{"bytes": b"", "path": "a.jpg"}], HUGGING_FACE)
    assert content(opened(write(tmp_path / "t.parquet", {"image": cells}))) == {
        "a.jpg": b"of a file"
    }


def test_a_file_that_is_not_there_is_its_rows_problem(tmp_path: Path) -> None:
    table = opened(write(tmp_path / "t.parquet", {"image": ["a.jpg"], "id": ["x"]}), name="id")
    with pytest.raises(InputError, match=r"^a\.jpg cannot be read: No such file"):
        table.read(table.list()[0])


def test_cells_of_hugging_face_are_named_by_their_paths(tmp_path: Path) -> None:
    paths = ("train/a.jpg", "../b.jpg", None, "/data/c.jpg", "C:\\d.jpg", "hf://set/e%20.jpg", "..")
    cells = [{"bytes": str(path).encode(), "path": path} for path in paths]
    table = opened(write(tmp_path / "t.parquet", {"image": pa.array(cells, HUGGING_FACE)}))
    keys = ["train/a.jpg", "b.jpg", "t-00000002", "data/c.jpg", "d.jpg", "e .jpg", "t-00000006"]
    assert content(table) == dict(zip(keys, (cell["bytes"] for cell in cells), strict=True))


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), HUGGING_FACE, "categories"])
def test_paths_are_read_below_the_tables_folder(tmp_path: Path, type_: Any) -> None:
    (tmp_path / "x").mkdir()
    for name in ("x/a b#1%20.jpg", "~c.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "e.jpg").write_bytes(b"e")
    paths = ["x/a b#1%20.jpg", "~c.jpg", str(tmp_path / "e.jpg")]
    cells = [{"path": path} for path in paths] if type_ == HUGGING_FACE else paths
    column = (
        pa.array(cells).dictionary_encode() if type_ == "categories" else pa.array(cells, type_)
    )
    table = opened(write(tmp_path / "t.parquet", {"image": column}))
    expected = {"x/a b#1%20.jpg": b"x/a b#1%20.jpg", "~c.jpg": b"~c.jpg", "e.jpg": b"e"}
    assert content(table) == expected


def test_a_uri_is_read_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes(b"a")
    uri = f"file://{tmp_path}/a%20b.jpg"
    table = opened(write(tmp_path / "deep" / "t.parquet", {"image": [uri]}))
    assert content(table) == {f"{tmp_path}/a b.jpg"[1:]: b"a"}


@pytest.mark.parametrize("names", [["x/a", "b.png", "c"], [7, 8, 9]])
def test_a_column_may_name_the_pictures(tmp_path: Path, names: list[object]) -> None:
    path = write(tmp_path / "t.parquet", {"image": PICTURES, "id": names})
    assert content(opened(path, name="id")) == dict(zip(map(str, names), PICTURES, strict=True))


def test_a_row_without_a_name_is_numbered(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"image": PICTURES, "id": ["a", None, ""]})
    assert list(content(opened(path, name="id"))) == ["a", "t-00000001", "t-00000002"]


def test_masks_are_of_any_kind_too(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(b"of a file")
    masks = pa.array([{"bytes": b"own"}, {"path": "m.png"}, None], HUGGING_FACE)
    path = write(tmp_path / "t.parquet", {"image": PICTURES, "mask": masks})
    table = opened(path, mask="mask")
    first, second, third = table.list()
    assert [table.read_mask(entry) for entry in (first, second)] == [b"own", b"of a file"]
    with pytest.raises(InputError, match="row 2 has nothing in mask"):
        table.read_mask(third)


def test_a_row_without_a_picture_is_that_rows_problem(tmp_path: Path) -> None:
    cells = [{"bytes": b"a"}, None, {"bytes": None, "path": None}]
    table = opened(write(tmp_path / "t.parquet", {"image": pa.array(cells, HUGGING_FACE)}))
    first, *empty = table.list()
    assert table.read(first) == b"a"
    for entry in empty:
        with pytest.raises(InputError, match=r"row \d has nothing in image"):
            table.head(entry)


def test_head_is_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"of a file")
    cells = pa.array([{"bytes": b"in the table"}, {"path": "a.jpg"}], HUGGING_FACE)
    table = opened(write(tmp_path / "t.parquet", {"image": cells}))
    heads = [[table.head(entry, size) for entry in table.list()] for size in (2, 4, 99)]
    assert heads == [[b"in", b"of"], [b"in t", b"of a"], [b"in the table", b"of a file"]]


@pytest.mark.parametrize("pattern", ["", "*.parquet", "{b,c/a}.parquet"])
def test_several_files_are_one_table(tmp_path: Path, pattern: str) -> None:
    write(tmp_path / "t" / "b.parquet", {"image": PICTURES})
    write(
        tmp_path / "t" / ("c/a.parquet" if pattern != "*.parquet" else "c.parquet"),
        {"image": PICTURES},
    )
    last = "c" if pattern == "*.parquet" else "c/a"
    assert content(opened(tmp_path / "t" / pattern)) == numbered("b") | numbered(last)


def test_a_folder_of_pictures_with_a_table_beside_them_is_one_of_pictures(tmp_path: Path) -> None:
    write(tmp_path / "metadata.parquet", {"image": ["a.jpg"]})
    (tmp_path / "a.jpg").write_bytes(b"a")
    source = open_source(str(tmp_path), "--input", columns=Columns(image="image"))
    assert isinstance(source, Folder)


def test_no_more_than_two_row_groups_are_held(tmp_path: Path) -> None:
    table = opened(write(tmp_path / "t.parquet", {"image": PICTURES * 5}, rows=1))
    content(table)
    assert row_groups._read.cache_info().currsize <= 2


def test_rows_are_read_in_any_order_and_in_any_process(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"image": PICTURES})
    table = pickle.loads(pickle.dumps(opened(path)))
    entries = list(table.list())
    assert [table.read(entry) for entry in reversed(entries)] == PICTURES[::-1]


def test_a_size_is_about_that_of_the_pictures(tmp_path: Path) -> None:
    table = {"image": [bytes([n]) * 20 * n for n in range(100)], "other": ["x" * 999] * 100}
    path = write(tmp_path / "t.parquet", table, rows=100)
    (size,) = {entry.size for entry in opened(path).list()}
    assert 990 <= size < 1200


def test_a_table_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    assert content(opened(write(tmp_path / "t.parquet", {"image": [b"old"]}))) == numbered(
        "t", [b"old"]
    )
    assert content(opened(write(tmp_path / "t.parquet", {"image": [b"new"]}))) == numbered(
        "t", [b"new"]
    )


def test_a_table_that_has_gone_is_not_a_pictures_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"image": PICTURES})
    entry = opened(path).list()[0]
    table = opened(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="--input"):
        table.read(entry)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": "photo"}, "has no column photo; it has image, number, place"),
        ({"mask": "hole"}, "has no column hole"),
        ({"name": "id"}, "has no column id"),
        ({"image": "number"}, "column number is double; pictures are bytes, paths, or both"),
        ({"image": "place"}, r"column place is struct<x: int64>; pictures are"),
        ({"mask": "number"}, "column number is double"),
        ({"name": "place"}, "column place is .*, not text"),
        ({"name": "image"}, "column image is binary, not text"),
    ],
)
def test_columns_that_are_not_there_are_refused(
    tmp_path: Path, columns: dict[str, str], message: str
) -> None:
    table = {"image": [b"a"], "number": [1.0], "place": [{"x": 1}]}
    with pytest.raises(InputError, match=message):
        opened(write(tmp_path / "t.parquet", table), **columns).list()


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"image": PICTURES, "id": ["a", "b", "a"]})
    assert "has a twice; name a column with distinct names" in refusal(path, name="id")


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"image": pa.array([], pa.binary())})
    assert "has no rows" in refusal(path)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "t.parquet", {"image": PICTURES})
    data = {"cut": path.read_bytes()[:-20], "text": b"image\na.jpg\n" * 9, "empty": b""}[damage]
    path.write_bytes(data)
    assert "t.parquet is no Parquet" in refusal(path)


def test_a_damaged_row_group_is_its_pictures_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"image": [bytes(range(256)) * 40] * 3})
    data = bytearray(path.read_bytes())
    data[4:400] = b"\xff" * 396
    path.write_bytes(data)
    table = opened(path)
    with pytest.raises(InputError, match="the table is damaged"):
        table.read(table.list()[0])


@pytest.mark.parametrize("name", ["t.parquet", "*.parquet", "."])
def test_without_columns_parquet_is_not_taken(tmp_path: Path, name: str) -> None:
    write(tmp_path / "t.parquet", {"image": PICTURES})
    with pytest.raises(InputError, match="--input"):
        open_source(str(tmp_path / name), "--input").list()
