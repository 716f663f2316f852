"""Archives that were made to do harm."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from pipelines.serving.config import EndpointSettings
from pipelines.serving.errors import ApiError
from pipelines.serving.jobs import archives
from pipelines.serving.jobs.archives import MOST_MEMBERS, require_usable
from pipelines.serving.jobs.uploads import StoredFile
from tests.pipelines.serving.jobs.hand_run import archive_of


def check(folder: Path, data: bytes) -> int:
    file = folder / "pictures.zip"
    file.write_bytes(data)
    stored = StoredFile(name="a.zip", location=str(file), size=len(data))
    return require_usable([stored], EndpointSettings())


def refusal(folder: Path, data: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        check(folder, data)
    return caught.value


def test_an_archive_says_what_it_unpacks_to(tmp_path: Path) -> None:
    assert check(tmp_path, archive_of({"a.png": b"12345", "b/": b"", "b/c.png": b"678"})) == 8


def test_members_are_counted(tmp_path: Path) -> None:
    members = {f"{index}.png": b"" for index in range(MOST_MEMBERS + 1)}
    error = refusal(tmp_path, archive_of(members))
    assert (error.status, error.code) == (413, "too_many_members")
    assert error.limit == ("members", MOST_MEMBERS)


def test_an_index_is_not_read_beyond_its_limit(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "_INDEX_BYTES", 2000)
    error = refusal(tmp_path, archive_of({f"{index}.png": b"" for index in range(100)}))
    assert error.code == "too_many_members"


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    data = archive_of({"a.png": bytes(1000), "b.png": bytes(1000)})
    start = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", start + 4)
    # The second member's entry points at the first one's data.
    quoted = data[: second + 42] + struct.pack("<I", 0) + data[second + 46 :]
    error = refusal(tmp_path, quoted)
    assert (error.status, error.code) == (422, "overlapping")


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    data = bytearray(archive_of({"a.png": b"12345"}))
    data[data.index(b"PK\1\2") + 8] |= 1
    assert refusal(tmp_path, bytes(data)).code == "encrypted"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_cannot_be_unpacked_in_parts_are_refused(tmp_path: Path, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.png", b"12345")
    error = refusal(tmp_path, buffer.getvalue())
    assert (error.status, error.code) == (422, "unsupported_compression")
    assert error.message == "a.zip must be stored or deflated; pack it so"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_may_be_stored_or_deflated(tmp_path: Path, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.png", b"12345")
    assert check(tmp_path, buffer.getvalue()) == 5


def test_an_archive_of_many_gigabytes_may_say_so(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w") as archive,
        archive.open(zipfile.ZipInfo("a.png"), "w", force_zip64=True) as member,
    ):
        member.write(b"12345")
    assert check(tmp_path, buffer.getvalue()) == 5
