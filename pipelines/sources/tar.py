"""Tar archives, one or the many shards of a WebDataset, read in place."""

from __future__ import annotations

import tarfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pyarrow import fs

from isnet.config import InputError
from pipelines.sources.listing import (
    HEAD,
    NOTES,
    Entry,
    Listing,
    pictures,
    require_pictures,
)
from pipelines.storage import is_local, open_filesystem, printable

COMPRESSED = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".lz4")
"""Endings of compressed files."""

_COMPRESSED_STARTS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")

_METADATA = (*NOTES, ".json", ".cls")
"""Endings of what stands beside the pictures in a WebDataset."""

_READ_AHEAD = 8 * 1024 * 1024
"""Bytes that a listing asks an object store for at a time."""

_INTERVAL = 5.0
"""Seconds between the lines that say how far a listing has come."""

_PADDING = 1024 * 1024
"""Bytes that may follow the end of an archive; `tar` fills up to 10 kB."""


@dataclass(frozen=True, kw_only=True)
class Tars:
    """Tar archives. A key is a member's name; with several archives, below that of its archive."""

    name: str
    """How messages call them: the option and what it was given."""
    locations: tuple[str, ...]
    """Absolute paths or URIs."""
    prefixes: tuple[str, ...]
    """What the keys of each archive start with."""
    opened: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells it from an earlier file of that name, which a process may still hold open."""

    def list(self) -> Listing:
        """Find the pictures, in the order of the archives.

        Every header is read once: by seeking from one to the next in a local file, and from an
        object store as one stream, since a request for each would take longer than all the bytes.

        Raises:
            InputError: an archive that is cut short, damaged or none, without a picture, or with
                two members of one name.

        """
        others: Counter[str] = Counter()
        listing = Listing.of(pictures(self._entries(others), others))
        require_pictures(
            listing, others, name=self.name, advice="is it the right archive?", notes=_METADATA
        )
        repeated = listing.repeated_key()
        if repeated is not None:
            raise InputError(
                f"{self.name} holds {repeated} twice; make the archive again with distinct names"
            )
        return listing

    def read(self, entry: Entry) -> bytes:
        """Read one picture: its bytes alone.

        Raises:
            InputError: the archive ends before the picture does.
            OSError: the archive cannot be read, or is not there (FileNotFoundError).

        """
        return self.head(entry, entry.size)

    def head(self, entry: Entry, size: int = HEAD) -> bytes:
        """Read the first bytes of one picture; raises as `read`."""
        try:
            file = _open(self.locations[entry.file], self.opened)
        except FileNotFoundError as error:
            raise FileNotFoundError(self.name) from error
        size = min(size, entry.size)
        data: bytes = file.read_at(size, entry.offset)
        if len(data) < size:
            raise InputError("cannot be read: the archive was cut short since it was listed")
        return data

    def _entries(self, others: Counter[str]) -> Iterator[Entry]:
        progress = _Listed(self.name)
        for index, (location, prefix) in enumerate(zip(self.locations, self.prefixes, strict=True)):
            for member in _members(location, self._name(location)):
                progress.advance()
                key = _key(member.name)
                if member.issym() or member.islnk():
                    others["links"] += 1
                elif member.issparse():
                    others["sparse files"] += 1
                elif member.isreg() and key:
                    yield Entry(prefix + key, member.size, index, member.offset_data)

    def _name(self, location: str) -> str:
        return self.name if len(self.locations) == 1 else f"{self.name}: {printable(location)}"


class _Listed:
    """Says every few seconds how far a listing has come."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.printed = time.monotonic()

    def advance(self) -> None:
        self.count += 1
        if self.count % 1000 == 0 and time.monotonic() - self.printed > _INTERVAL:
            self.printed = time.monotonic()
            print(f"{self.name}: {self.count:,} members listed", flush=True)


def refuse_compressed(path: str, name: str, *, start: bytes = b"") -> None:
    """Refuse what cannot be read from the middle, by its name or first bytes, and name the fix."""
    if path.lower().endswith(COMPRESSED) or start.startswith(_COMPRESSED_STARTS):
        raise InputError(
            f"{name} is compressed, which cannot be read in place; decompress it first (gunzip, "
            "bunzip2, unxz or unzstd) and name the .tar"
        )


def _key(name: str) -> str:
    """Name of a member as text that can be stored, without the `./` of `tar -c .`."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text.removeprefix("./").lstrip("/")


@lru_cache(maxsize=16)
def _open(location: str, opened: str) -> Any:
    """Open an archive once a process and preparation."""
    filesystem, path = open_filesystem(location)
    return filesystem.open_input_file(path)


def _members(location: str, name: str) -> Iterator[tarfile.TarInfo]:
    """Read the headers of an archive; none stays in memory.

    Python's `tarfile` takes whatever is no header for the end of the archive. Here only the zero
    block that `tar` writes there is one.
    """
    filesystem, path = open_filesystem(location)
    size = filesystem.get_file_info(path).size
    with _open_forwards(filesystem, path) as stream:
        file = _Forwards(stream, seekable=is_local(filesystem))
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:  # type: ignore[call-overload]
                while member := archive.next():
                    yield member
                    archive.members.clear()
        except tarfile.ReadError as error:
            refuse_compressed("", name, start=file.block)
            if file.position < tarfile.BLOCKSIZE or "unexpected end" in str(error):
                raise _cut_short(name) from error
            if file.position > tarfile.BLOCKSIZE:
                raise _damaged(file, name) from error
            raise InputError(f"{name} is no tar archive ({error}); check the file") from error
        _require_end(file, size, name)


def _require_end(file: _Forwards, size: int, name: str) -> None:
    """Refuse an archive whose last block is not the one that marks the end."""
    if len(file.block) < tarfile.BLOCKSIZE:
        raise _cut_short(name)
    if file.block != tarfile.NUL * tarfile.BLOCKSIZE:
        raise _damaged(file, name)
    if size - file.position > _PADDING:
        raise InputError(
            f"{name} ends at byte {file.position:,} of {size:,}; download it again, or name "
            "archives that were joined one by one"
        )


def _damaged(file: _Forwards, name: str) -> InputError:
    at = file.position - tarfile.BLOCKSIZE
    return InputError(f"{name} is damaged at byte {at:,}; download it again")


def _cut_short(name: str) -> InputError:
    return InputError(f"{name} is cut short; download it again")


def _open_forwards(filesystem: fs.FileSystem, path: str) -> Any:
    if is_local(filesystem):
        return filesystem.open_input_file(path)
    return filesystem.open_input_stream(path, buffer_size=_READ_AHEAD)


class _Forwards:
    """What `tarfile` reads headers from: skips by seeking, or by reading on; keeps the last block.

    `tarfile` has a mode for streams, but copies its whole buffer for each header.
    """

    def __init__(self, stream: Any, *, seekable: bool) -> None:
        self.stream, self.seekable = stream, seekable
        self.position = 0
        self.block = b""

    def read(self, size: int) -> bytes:
        self.block = self.stream.read(size)
        self.position += len(self.block)
        return self.block

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        if self.seekable:
            self.stream.seek(position)
            self.position = position
        while self.position < position and self.read(min(position - self.position, _READ_AHEAD)):
            pass
