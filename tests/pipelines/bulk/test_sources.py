"""Jobs over everything that pictures may come from: archives, patterns, tables, object stores."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from pipelines.bulk.collection import open_collection
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.pictures import open_picture
from pipelines.codec import CodecError
from rehearsal.object_store import ObjectStore
from tests.pipelines.bulk.pictures import results_of
from tests.pipelines.preparation.archives import write_tar, write_zip

NOTHING = "chroma:010203"
"""Masks for pictures of one colour, another one: nothing is missing."""


@dataclass(frozen=True)
class Given:
    """A job's input and masks, and what keys begin with there, by the keys in the folder."""

    input: str
    masks: str
    prefixes: Callable[[str], str] = lambda key: ""


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their paths."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def in_tar(folder: Path) -> Given:
    write_tar(folder / "photos.tar", files_of(folder / "photos"))
    return Given(f"{folder}/photos.tar", f"{folder}/masks")


def in_zip(folder: Path) -> Given:
    write_zip(folder / "photos.zip", files_of(folder / "photos"))
    write_zip(folder / "masks.zip", files_of(folder / "masks"))
    return Given(f"{folder}/photos.zip", f"{folder}/masks.zip")


def shard_of(key: str) -> str:
    return f"x-{int(Path(key).stem) % 3:03d}"


def in_shards(folder: Path) -> Given:
    for name in ("photos", "masks"):
        files = files_of(folder / name)
        for shard in sorted({shard_of(key) for key in files}):
            members = {key: data for key, data in files.items() if shard_of(key) == shard}
            write_tar(folder / f"{name}-shards" / f"{shard}.tar", members)
    pattern = "x-{000..002}.tar"
    given = (f"{folder}/{name}-shards/{pattern}" for name in ("photos", "masks"))
    return Given(*given, lambda key: f"{shard_of(key)}/")


def of_pattern(folder: Path) -> Given:
    (folder / "photos/a/other.jpg").write_bytes(b"not asked for")
    return Given(f"{folder}/photos/**/*.png", f"{folder}/masks")


def in_table(folder: Path) -> Given:
    photos, masks = files_of(folder / "photos"), files_of(folder / "masks")
    columns = {"image": list(photos.values()), "hole": [masks[key] for key in photos]}
    parquet.write_table(pa.table(columns | {"called": list(photos)}), folder / "photos.parquet")
    return Given(f"{folder}/photos.parquet", "column:hole")


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def require_filled(
    results: Mapping[str, bytes], rows: list[dict[str, object]], given: Given, folder: Path
) -> None:
    """Compare names, pixels outside of the holes, and the table, with pictures in a folder."""
    photos, masks = files_of(folder / "photos"), files_of(folder / "masks")
    names = {given.prefixes(key) + key: key for key in photos if key.endswith(".png")}
    assert results.keys() == names.keys()
    for name, data in results.items():
        before, after = pixels(photos[names[name]]), pixels(data)
        hole = pixels(masks[names[name]]) > 127
        assert np.array_equal(before[~hole], after[~hole])
        assert not np.array_equal(before[hole], after[hole])
    assert {row["input"] for row in rows} == names.keys()
    assert len(rows) == len(names)
    assert all(row["output"] == row["input"] and row["status"] == "done" for row in rows)


@pytest.mark.ray
@pytest.mark.parametrize("make", [in_tar, in_zip, in_shards, of_pattern, in_table])
def test_pictures_come_from_anywhere(make, photos, start, tmp_path):
    given = make(tmp_path)
    columns = {"name_column": "called"} if given.masks.startswith("column:") else {}
    assert start(input=given.input, masks=given.masks, **columns).exit_code == 0
    rows = parquet.read_table(tmp_path / "out/results.parquet").to_pylist()
    require_filled(results_of(tmp_path / "out"), rows, given, tmp_path)


@pytest.mark.ray
@pytest.mark.slow
def test_pictures_come_from_an_object_store_and_results_go_there(
    photos, start, object_store: ObjectStore, tmp_path
):
    for name in ("photos", "masks"):
        for key, data in files_of(tmp_path / name).items():
            object_store.put(f"bulk/{name}/{key}", data)
    places = {name: object_store.uri(f"bulk/{name}") for name in ("photos", "masks", "out")}
    given = Given(places["photos"], places["masks"])
    job = {"input": given.input, "masks": given.masks, "output": places["out"]}
    assert start(**job).exit_code == 0
    names = object_store.names("bulk/out")
    results = {n: object_store.get(f"bulk/out/{n}") for n in names if n.endswith(".png")}
    table = pa.BufferReader(object_store.get("bulk/out/results.parquet"))
    require_filled(results, parquet.read_table(table).to_pylist(), given, tmp_path)
    outcome = start(**job)
    assert (outcome.done, outcome.kept) == (12, 12)
    written = "".join(str(object_store.get(f"bulk/out/{n}")) for n in names if "inpaint" in n)
    assert object_store.secret not in written


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "white").save(buffer, "PNG")
    return buffer.getvalue()


def write_table(path: Path, names: list[str]) -> None:
    parquet.write_table(pa.table({"image": [png()] * len(names), "name": names}), path)


def row_by_input(output: Path) -> dict[str, dict[str, object]]:
    rows = parquet.read_table(output / "results.parquet").to_pylist()
    return {row["input"]: row for row in rows}


@pytest.mark.ray
def test_a_member_of_a_tar_writes_nothing_outside_of_the_output(start, tmp_path):
    names = ["../evil.png", "a/../../evil.png", "/abs.png", "good.png"]
    write_tar(tmp_path / "photos.tar", dict.fromkeys(names, png()))
    output = tmp_path / "deep" / "out"
    given = {"input": str(tmp_path / "photos.tar"), "masks": NOTHING, "output": str(output)}
    outcome = start(**given)
    assert (outcome.done, outcome.reasons) == (2, {"unsafe_name": 2})
    assert not list(tmp_path.rglob("evil*"))
    assert list((tmp_path / "deep").iterdir()) == [output]
    assert results_of(output).keys() == {"abs.png", "good.png"}
    rows = row_by_input(output)
    assert rows["../evil.png"]["reason"] == rows["a/../../evil.png"]["reason"] == "unsafe_name"
    assert rows["../evil.png"]["output"] is None
    assert not Path("/abs.png").exists()


UNSAFE = [
    "../evil",
    "/abs",
    "a\\b",
    "C:x",
    "a//b",
    "nul\0nul",
    ".inpaint/job.json",
    "results.parquet/x",
]


@pytest.mark.parametrize("key", UNSAFE)
def test_names_in_a_table_that_lead_elsewhere_are_refused(
    key, configured: Callable[..., InpaintConfig], tmp_path
):
    write_table(tmp_path / "photos.parquet", [key, "good"])
    given = {"input": str(tmp_path / "photos.parquet"), "name_column": "name", "masks": NOTHING}
    config = configured(**given)
    collection = open_collection(config)
    with pytest.raises(CodecError, match=r"its name cannot be a result's: .*; rename it") as caught:
        open_picture(collection, collection.item(0), config)
    assert caught.value.code == "unsafe_name"
    assert open_picture(collection, collection.item(1), config).regions == []


@pytest.mark.ray
def test_a_name_that_is_too_long_stops_no_other(start, tmp_path):
    longest = "x" * 251  # .png makes it 255 bytes, the most that there may be
    names = [longest, "y" * 252, "d/" * 3000 + "z", "good"]
    write_table(tmp_path / "photos.parquet", names)
    given = {"input": str(tmp_path / "photos.parquet"), "name_column": "name", "masks": NOTHING}
    outcome = start(**given)
    assert (outcome.done, outcome.reasons) == (2, {"unsafe_name": 2})
    assert results_of(tmp_path / "out").keys() == {f"{longest}.png", "good.png"}
