"""A folder of pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pyarrow import fs

from isnet.config import InputError
from pipelines.preparation.sources.listing import (
    Entry,
    Listing,
    is_hidden,
    pictures,
    require_pictures,
)
from pipelines.storage import is_local, open_filesystem, read_bytes

ARCHIVES = (".tar", ".zip")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of pictures, at any depth. A key is a path below it, with forward slashes."""

    name: str
    """How messages call it: the option and what it was given."""
    location: str
    """Absolute path or URI."""

    def list(self) -> Listing:
        """Find the pictures, sorted by key; warn of files with other endings.

        Raises:
            InputError: no picture, or archives beside the pictures.

        """
        filesystem, root = open_filesystem(self.location)
        others: Counter[str] = Counter()
        files = (
            Entry(info.path[len(root) :].lstrip("/"), info.size) for info in walk(filesystem, root)
        )
        listing = Listing.of(pictures(files, others)).by_key()
        if len(listing) and any(others[kind] for kind in ARCHIVES):
            raise mixture(self.name)
        require_pictures(listing, others, name=self.name, advice="name the folder they are in")
        return listing

    def read(self, entry: Entry) -> bytes:
        """Read one file.

        Raises:
            InputError: the file is gone or unreadable: one line that says why.
            OSError: the storage does not answer.
            FileNotFoundError: the whole folder is not there, as on a node that does not share it.

        """
        filesystem, root = _open(self.location)
        try:
            return read_bytes(filesystem, f"{root}/{entry.key}")
        except OSError as error:
            if filesystem.get_file_info(root).type != fs.FileType.Directory:
                raise FileNotFoundError(self.name) from error
            if not isinstance(error, FileNotFoundError) and not is_local(filesystem):
                raise  # of the network, not of the file
            reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
            raise InputError(f"cannot be read: {reason}") from error


@lru_cache(maxsize=2)
def _open(location: str) -> tuple[fs.FileSystem, str]:
    """Open the filesystem once a process: for a URI that may take a request."""
    return open_filesystem(location)


def mixture(name: str) -> InputError:
    """Make the error of a folder that could be read in two ways."""
    return InputError(
        f"{name} holds both pictures and archives (.tar, .zip); name the folder that holds the "
        "pictures alone, or the archive itself"
    )


def walk(filesystem: fs.FileSystem, root: str) -> Iterator[fs.FileInfo]:
    """Files below a folder, one folder's listing at a time; hidden ones are left out."""
    waiting = [root]
    while waiting:
        for info in filesystem.get_file_info(fs.FileSelector(waiting.pop())):
            if is_hidden(info.base_name):
                continue
            if info.type == fs.FileType.Directory:
                waiting.append(info.path)
            elif info.type == fs.FileType.File:
                yield info
