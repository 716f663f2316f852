"""Members of a zip archive that are not what its index says."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from isnet.config import InputError
from pipelines.sources.opening import open_source

SAID, HELD = 100, 16 * 2**20
"""Bytes of a member by the archive's index, and in truth."""


def lying(path: Path, method: int) -> Path:
    """Write an archive of one member, whose index has size and checksum of its first bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.png", bytes(HELD))
    data = bytearray(buffer.getvalue())
    entry = data.rindex(b"PK\1\2")
    data[entry + 16 : entry + 20] = struct.pack("<I", zlib.crc32(bytes(SAID)))
    data[entry + 24 : entry + 28] = struct.pack("<I", SAID)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_is_read_no_further_than_it_says(tmp_path: Path, method: int) -> None:
    source = open_source(str(lying(tmp_path / "a.zip", method)), "--input")
    (entry,) = source.list()
    assert entry.size == SAID
    for take in (source.read, source.head):
        tracemalloc.start()
        try:
            with pytest.raises(InputError, match="is larger than the 100 bytes"):
                take(entry)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 2**20


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3_000_000])
@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_honest_members_are_read_whole(tmp_path: Path, method: int, size: int) -> None:
    data = bytes(range(251)) * (size // 251) + bytes(size % 251)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("./a.png", data)
    source = open_source(str(tmp_path / "a.zip"), "--input")
    (entry,) = source.list()
    assert source.read(entry) == data
    assert source.head(entry) == data[:65536]
