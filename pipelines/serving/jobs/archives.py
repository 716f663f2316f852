"""What is checked of a zip archive before its job is taken; its pictures are the job's business."""

from __future__ import annotations

import io
import struct
import zipfile

from isnet.config import InputError
from pipelines.codec import count_pixels
from pipelines.serving.config import EndpointSettings
from pipelines.serving.errors import ApiError, from_input_error
from pipelines.serving.jobs.uploads import StoredFile
from pipelines.storage import open_filesystem, read_bytes

MOST_MEMBERS = 10_000

_INDEX_BYTES = MOST_MEMBERS * 1024
"""Largest index: each entry becomes an object of a kilobyte, and zipfile reads all there are."""

_DAMAGED = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError)
"""What an index that is none raises; Arrow's errors of places before the start are a ValueError."""

_BUFFER = 64 * 1024
_END_BYTES = 2**16 + 22
"""What zipfile reads without saying how much: an archive's end, comment included."""
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1

_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions that zipfile undoes no further than it is asked to."""


def require_usable(files: list[StoredFile], settings: EndpointSettings) -> int:
    """Check what was uploaded; return how many bytes it unpacks to, as it says.

    Raises:
        ApiError: 413 or 422, why a file cannot be used.

    """
    unpacked = 0
    for file in files:
        if file.archive:
            unpacked += _require_archive(file)
        else:
            _require_picture(file, settings)
    if unpacked > settings.max_unpacked_bytes:
        most = settings.max_unpacked_bytes
        raise ApiError(
            413,
            "too_many_bytes",
            f"the archives unpack to {unpacked:,} bytes; the limit is {most:,}: send several jobs",
            limit=("max_unpacked_bytes", most),
        )
    return unpacked


def _require_archive(file: StoredFile) -> int:
    filesystem, path = open_filesystem(file.location)
    with filesystem.open_input_file(path) as stream:
        try:
            index = _Bounded(io.BufferedReader(stream, buffer_size=_BUFFER), file.name)
            with zipfile.ZipFile(index) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
        except _DAMAGED as error:
            raise _refused(file.name, "no_archive", f"is no zip archive ({error})") from error
    if len(members) > MOST_MEMBERS:
        raise _too_many(file.name)
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise _refused(file.name, "encrypted", "is encrypted; send it without a password")
    if any(member.compress_type not in _BOUNDED for member in members):
        raise _refused(
            file.name, "unsupported_compression", "must be stored or deflated; pack it so"
        )
    _require_apart(file.name, members)
    return sum(member.file_size for member in members)


def _require_apart(name: str, members: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share bytes, by which a small archive unpacks to anything."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise _refused(name, "overlapping", "has members that overlap; make it again")
        end = member.header_offset + _LOCAL_HEADER + member.compress_size


def _require_picture(file: StoredFile, settings: EndpointSettings) -> None:
    """Check one picture's file, which is to be the mask of all."""
    if file.size > settings.max_bytes:
        raise ApiError(
            413,
            "too_many_bytes",
            f"{file.name} has {file.size:,} bytes; a mask may have {settings.max_bytes:,}",
            limit=("max_bytes", settings.max_bytes),
        )
    try:
        count_pixels(read_bytes(*open_filesystem(file.location)), max_pixels=settings.max_pixels)
    except InputError as error:
        raise from_input_error(error, {"max_pixels": settings.max_pixels}) from error


class _Bounded:
    """A file that is not read in pieces larger than an index may be."""

    def __init__(self, file: io.BufferedReader, name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size: int = -1) -> bytes:
        if size > _INDEX_BYTES:
            raise _too_many(self._name)
        return self._file.read(size if size >= 0 else _END_BYTES)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _too_many(name: str) -> ApiError:
    return ApiError(
        413,
        "too_many_members",
        f"{name} has more than {MOST_MEMBERS:,} members; send several jobs",
        limit=("members", MOST_MEMBERS),
    )


def _refused(name: str, code: str, what: str) -> ApiError:
    return ApiError(422, code, f"{name} {what}")
