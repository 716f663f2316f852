"""Storage: paths and URIs, atomic writes, jobs that refuse relative outputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import fs

from isnet.config import InputError
from pipelines.storage import (
    absolute,
    inside_ray_job,
    is_temporary,
    join,
    local_copy,
    open_filesystem,
    printable,
    read_bytes,
    require_absolute,
    split_name,
    write_atomically,
)


def test_relative_path_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filesystem, path = open_filesystem("data/demo/")
    assert isinstance(filesystem, fs.LocalFileSystem)
    assert path == str(tmp_path / "data/demo")


def test_file_uri_is_the_local_filesystem(tmp_path: Path) -> None:
    filesystem, path = open_filesystem(tmp_path.as_uri())
    assert isinstance(filesystem, fs.LocalFileSystem)
    assert path == str(tmp_path)


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("s3://k:s@bucket/a/b/?region=us-east-1&scheme=http", "s3"),
        ("gs://anonymous@bucket/a/b/", "gcs"),
    ],
)
def test_an_object_stores_uri_needs_no_network_to_open(location: str, kind: str) -> None:
    filesystem, path = open_filesystem(location)
    assert filesystem.type_name == kind
    assert path == "bucket/a/b"


@pytest.mark.parametrize("location", ["", "nosuch://bucket/x"])
def test_unusable_location_is_refused(location: str) -> None:
    with pytest.raises(InputError):
        open_filesystem(location)


def test_written_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    filesystem, path = open_filesystem(str(tmp_path / "new/folder/file"))
    write_atomically(filesystem, path, b"first")
    write_atomically(filesystem, path, b"second")
    assert read_bytes(filesystem, path) == b"second"
    assert [entry.name for entry in (tmp_path / "new/folder").iterdir()] == ["file"]


def test_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomically(fs.LocalFileSystem(), str(target), object())  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["00000.parquet", ".cat.tmp", f".{'0' * 32}.tmp.png", ".0123.tmp"])
def test_names_that_people_give_are_not_taken_for_temporary(name: str) -> None:
    assert not is_temporary(name)


def test_what_a_killed_write_leaves_is_taken_for_temporary(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pyarrow import fs; from pipelines import storage; "
        "storage._write = lambda *_: (open(_[1], 'w').close(), os._exit(9)); "
        "storage.write_atomically(fs.LocalFileSystem(), sys.argv[1], b'data')"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")]).returncode == 9
    (left,) = tmp_path.iterdir()
    assert is_temporary(left.name)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("data/demo", "data/demo/a/b"),
        ("/data/", "/data/a/b"),
        ("/", "/a/b"),
        ("s3://bucket/x?region=r", "s3://bucket/x/a/b?region=r"),
    ],
)
def test_join_appends_before_a_uris_options(location: str, expected: str) -> None:
    assert join(location, "a", "b") == expected


@pytest.mark.parametrize("location", ["/data", "/data?/x", "s3://bucket/x?region=a/b"])
def test_splitting_takes_off_what_join_appended(location: str) -> None:
    assert split_name(join(location, "name.parquet")) == (location, "name.parquet")


def test_absolute_leaves_uris_alone() -> None:
    assert absolute("s3://bucket/x") == "s3://bucket/x"
    assert absolute("x") == str(Path.cwd() / "x")


def test_a_job_is_known_by_its_submission_id() -> None:
    job = json.dumps({"runtime_env": {}, "metadata": {"job_submission_id": "raysubmit_1"}})
    assert inside_ray_job({"RAY_JOB_CONFIG_JSON_ENV_VAR": job})
    assert not inside_ray_job({"RAY_ADDRESS": "10.0.0.1:6379"})
    assert not inside_ray_job({})


@pytest.mark.parametrize(
    "location", ["data/demo", "sqlite:///mlflow.db", "./x", "sqlite:///runs/mlflow.db"]
)
def test_relative_locations_are_refused_inside_a_job(location: str) -> None:
    with pytest.raises(InputError, match="give an absolute path such as --output"):
        require_absolute("--output", location, inside_job=True)


def test_the_message_gives_the_absolute_form() -> None:
    with pytest.raises(InputError, match=r"--tracking-uri sqlite:////shared/mlflow.db "):
        require_absolute("--tracking-uri", "sqlite:///mlflow.db", inside_job=True)


@pytest.mark.parametrize(
    "location",
    ["/data/demo", "s3://bucket/x", "sqlite:////data/mlflow.db", "http://host:5000", "file:/x"],
)
def test_absolute_locations_pass_inside_a_job(location: str) -> None:
    require_absolute("--output", location, inside_job=True)


def test_relative_locations_pass_outside_a_job() -> None:
    require_absolute("--output", "data/demo", inside_job=False)


def test_credentials_are_not_printed() -> None:
    location = "s3://AKIA:se/cret@bucket/x?region=r"
    assert printable(location) == "s3://***@bucket/x?region=r"
    assert printable("/data/me@home") == "/data/me@home"


def test_credentials_do_not_reach_an_error_message() -> None:
    with pytest.raises(InputError) as caught:
        open_filesystem("nosuch://AKIA:secret@bucket/x")
    assert "secret" not in str(caught.value)


def test_a_local_path_is_used_as_it_is(tmp_path: Path) -> None:
    with local_copy(str(tmp_path), ["anything"]) as path:
        assert path == tmp_path
    with local_copy("nowhere", ["anything"]) as path:
        assert path == Path("nowhere")
    assert tmp_path.exists()


def test_of_a_uris_folder_the_wanted_files_are_fetched_and_removed_again(tmp_path: Path) -> None:
    for name in ("a", "b", "large"):
        (tmp_path / name).write_text(name)
    with local_copy(tmp_path.as_uri(), ["a", "b"]) as path:
        assert path != tmp_path
        assert {file.name: file.read_text() for file in path.iterdir()} == {"a": "a", "b": "b"}
    assert not path.parent.exists()


def test_a_uri_of_a_file_is_fetched_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "G.pth").write_bytes(b"weights")
    with local_copy((tmp_path / "G.pth").as_uri(), ["a"]) as path:
        assert path.name == "G.pth"
        assert path.read_bytes() == b"weights"


def test_what_a_uri_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="has no b and no c; is it the right folder"):
        local_copy(tmp_path.as_uri(), ["a", "b", "c"]).__enter__()
    with pytest.raises(InputError, match="none does not exist; check the URI"):
        local_copy(f"{tmp_path.as_uri()}/none", ["a"]).__enter__()
