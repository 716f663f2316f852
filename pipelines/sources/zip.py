"""A zip archive, read in place."""

from __future__ import annotations

import copy
import io
import lzma
import sys
import uuid
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from isnet.config import InputError
from pipelines.sources.listing import (
    HEAD,
    Entry,
    Listing,
    pictures,
    require_pictures,
)
from pipelines.storage import open_filesystem

_BUFFER = 64 * 1024
"""Bytes of a read: on an object store a picture should take one request, not one for each 4 kB."""

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    KeyError,
)
"""What a damaged member raises."""

_ENCRYPTED = 0x1

_HERE = "./"
"""What some programs begin every name with."""


@dataclass(frozen=True, kw_only=True)
class Zip:
    """A zip archive. A key is a member's name, without a `./` at its start."""

    name: str
    """How messages call it: the option and what it was given."""
    location: str
    """Absolute path or URI."""
    opened: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells it from an earlier file of that name, which a process may still hold open."""

    def list(self) -> Listing:
        """Find the pictures, in the order of the archive.

        Raises:
            InputError: an archive that is cut short, encrypted or none, without a picture, or with
                two members of one name.

        """
        others: Counter[str] = Counter()
        try:
            members = _open(self.location, self.opened).infolist()
        except (zipfile.BadZipFile, ValueError) as error:  # Arrow's is a ValueError
            raise self._unreadable(error) from error
        if any(member.flag_bits & _ENCRYPTED for member in members):
            raise InputError(f"{self.name} is encrypted; unpack it and name the folder")
        entries = (
            Entry(member.filename.removeprefix(_HERE), member.file_size, 0, member.header_offset)
            for member in sorted(members, key=lambda member: member.header_offset)
            if not member.is_dir()
        )
        listing = Listing.of(pictures(entries, others))
        _open.cache_clear()  # an entry takes 700 bytes
        require_pictures(listing, others, name=self.name, advice="is it the right archive?")
        repeated = listing.repeated_key()
        if repeated is not None:
            raise InputError(
                f"{self.name} holds {repeated} twice; make the archive again with distinct names"
            )
        return listing

    def read(self, entry: Entry) -> bytes:
        """Read one picture.

        Raises:
            InputError: the member is damaged, as its checksum tells, or larger than it says.
            OSError: the archive cannot be read, or is not there (FileNotFoundError).

        """
        return self._read(entry, sys.maxsize)

    def head(self, entry: Entry, size: int = HEAD) -> bytes:
        """Read the first bytes of one picture, no checksum for them; raises as `read`."""
        return self._read(entry, size)

    def _read(self, entry: Entry, size: int) -> bytes:
        try:
            archive = _open(self.location, self.opened)
            info = copy.copy(_info(archive, entry.key))
            most = info.file_size
            info.file_size = sys.maxsize  # or zipfile hides what is beyond the size it says
            with archive.open(info) as member:
                data = member.read(min(size, most + 1))
        except FileNotFoundError as error:
            raise FileNotFoundError(self.name) from error
        except _DAMAGED as error:
            raise InputError(f"cannot be read from the archive: {error}") from error
        if len(data) > most:
            raise InputError(
                f"is larger than the {most:,} bytes of the archive's index; pack it again"
            )
        return data

    def _unreadable(self, error: Exception) -> InputError:
        """Tell an archive whose end is missing from a file that never was one."""
        filesystem, path = open_filesystem(self.location)
        with filesystem.open_input_file(path) as file:
            start = file.read(4)
        if start in (b"PK\3\4", b""):
            return InputError(f"{self.name} is cut short; download it again")
        return InputError(f"{self.name} is no zip archive ({error}); check the file")


def _info(archive: zipfile.ZipFile, key: str) -> zipfile.ZipInfo:
    return archive.getinfo(key if key in archive.NameToInfo else _HERE + key)


@lru_cache(maxsize=2)
def _open(location: str, opened: str) -> zipfile.ZipFile:
    """Open an archive once a process and preparation: its index is read once."""
    filesystem, path = open_filesystem(location)
    file = filesystem.open_input_file(path)
    return zipfile.ZipFile(io.BufferedReader(file, buffer_size=_BUFFER))
