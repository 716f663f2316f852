"""The first bytes of a picture, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.sources.opening import Source, open_source
from tests.pipelines.preparation.archives import write_tar, write_zip

PICTURES = {"a/long.jpg": bytes(range(256)) * 400, "short.png": b"short"}
KINDS = ("folder", "a.tar", "a.zip")


def write(location: Path) -> Source:
    if location.suffix == ".tar":
        write_tar(location, PICTURES)
    elif location.suffix == ".zip":
        write_zip(location, PICTURES)
    else:
        for key, data in PICTURES.items():
            (location / key).parent.mkdir(parents=True, exist_ok=True)
            (location / key).write_bytes(data)
    return open_source(str(location), "--input")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 100, 65536])
def test_head_is_the_beginning_of_what_is_read(tmp_path: Path, kind: str, size: int) -> None:
    source = write(tmp_path / kind)
    for entry in source.list():
        assert source.read(entry) == PICTURES[entry.key]
        assert source.head(entry, size) == PICTURES[entry.key][:size]


@pytest.mark.parametrize("kind", KINDS)
def test_head_is_64_kb_unless_it_is_told(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / kind)
    assert max(len(source.head(entry)) for entry in source.list()) == 65536


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_gone_is_told_as_when_it_is_read(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / kind)
    entry = source.list()[0]
    (tmp_path / kind).rename(tmp_path / "elsewhere")
    for take in (source.head, source.read):
        with pytest.raises(FileNotFoundError, match="--input"):
            take(entry)


def test_a_file_that_has_gone_is_that_files_problem(tmp_path: Path) -> None:
    source = write(tmp_path / "folder")
    entry = source.list()[0]
    (tmp_path / "folder" / entry.key).unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        source.head(entry)


def test_a_picture_whose_archive_was_cut_short_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tar")
    entry = source.list()[0]
    (tmp_path / "a.tar").write_bytes(b"\0" * 600)
    with pytest.raises(InputError, match="cut short since it was listed"):
        source.head(entry)
