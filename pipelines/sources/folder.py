"""A folder of pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from pyarrow import fs

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.listing import (
    HEAD,
    Entry,
    Listing,
    is_hidden,
    pictures,
    require_pictures,
)
from pipelines.sources.patterns import Pattern
from pipelines.storage import first_line, is_local, is_uri, open_filesystem

ARCHIVES = (".tar", ".zip")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of pictures, at any depth. A key is a path below it, with forward slashes."""

    name: str
    """How messages call it: the option and what it was given."""
    location: str
    """Absolute path or URI."""
    pattern: Pattern | None = None
    """Which pictures are meant; None: all."""
    within: Roots | None = None
    """Where its files must lie, links followed; None: anywhere."""

    def list(self) -> Listing:
        """Find the pictures, sorted by key; warn of files with other endings.

        Raises:
            InputError: no picture, or archives beside the pictures.

        """
        others: Counter[str] = Counter()
        files = (entry for entry in self._files() if self._is_meant(entry.key))
        listing = Listing.of(pictures(files, others)).by_key()
        if len(listing) and any(others[kind] for kind in ARCHIVES):
            raise mixture(self.name)
        advice = "check the pattern" if self.pattern else "name the folder they are in"
        require_pictures(listing, others, name=self.name, advice=advice)
        return listing

    def _files(self) -> Iterator[Entry]:
        filesystem, root = open_filesystem(self.location)
        enter = self.pattern.may_hold if self.pattern else None
        for info in walk(filesystem, root, within=self.within, enter=enter):
            yield Entry(key_of(info, root), info.size)

    def _is_meant(self, key: str) -> bool:
        return self.pattern is None or self.pattern.matches(key)

    def read(self, entry: Entry) -> bytes:
        """Read one file.

        Raises:
            InputError: the file is gone or unreadable, or lies elsewhere: one line that says why.
            OSError: the storage does not answer.
            FileNotFoundError: the whole folder is not there, as on a node that does not share it.

        """
        return self._read(entry, None)

    def head(self, entry: Entry, size: int = HEAD) -> bytes:
        """Read the first bytes of one file; raises as `read`."""
        return self._read(entry, size)

    def _read(self, entry: Entry, size: int | None) -> bytes:
        if self.within is not None and is_uri(self.location):
            self.within.resolve(self.location, self.name)
        filesystem, root = _open(self.location)
        path = f"{root}/{entry.key}"
        if self.within is not None and is_local(filesystem):
            self.within.require(path)
        try:
            with filesystem.open_input_file(path) as file:
                data: bytes = file.read(size)
                return data
        except OSError as error:
            if filesystem.get_file_info(root).type != fs.FileType.Directory:
                raise FileNotFoundError(self.name) from error
            if not isinstance(error, FileNotFoundError) and not is_local(filesystem):
                raise  # of the network, not of the file
            raise unreadable(error) from error


@lru_cache(maxsize=2)
def _open(location: str) -> tuple[fs.FileSystem, str]:
    """Open the filesystem once a process: for a URI that may take a request."""
    return open_filesystem(location)


def unreadable(error: OSError) -> InputError:
    """Make the error of a file that cannot be read."""
    reason = os.strerror(error.errno) if error.errno else first_line(error)
    return InputError(f"cannot be read: {reason}")


def mixture(name: str) -> InputError:
    """Make the error of a folder that could be read in two ways."""
    return InputError(
        f"{name} holds both pictures and archives (.tar, .zip); name the folder that holds the "
        "pictures alone, or the archive itself"
    )


def key_of(info: fs.FileInfo, root: str) -> str:
    """Path of a file or folder below another."""
    return str(info.path[len(root) :].lstrip("/"))


def walk(
    filesystem: fs.FileSystem,
    root: str,
    *,
    within: Roots | None = None,
    enter: Callable[[str], bool] | None = None,
) -> Iterator[fs.FileInfo]:
    """Files below a folder, one folder's listing at a time; hidden ones are left out.

    Args:
        filesystem: where it is.
        root: path of the folder.
        within: enter no links to folders outside of it; None: links to anywhere. None that leads
            back to where the walk came from is entered.
        enter: whether to enter a folder, by its path below the root; None: all.

    """
    local = is_local(filesystem)
    waiting: list[tuple[str, tuple[str, ...]]] = [(root, ())]
    while waiting:
        folder, way = waiting.pop()
        for info in filesystem.get_file_info(fs.FileSelector(folder)):
            if is_hidden(info.base_name):
                continue
            if info.type == fs.FileType.File:
                yield info
            elif info.type == fs.FileType.Directory and (not enter or enter(key_of(info, root))):
                entered = _way_into(info.path, way, within) if local else way
                waiting += [] if entered is None else [(info.path, entered)]


def _way_into(path: str, way: tuple[str, ...], within: Roots | None) -> tuple[str, ...] | None:
    """Add a folder to the linked ones on the way, if it is one; None where it is not entered."""
    if not os.path.islink(path):
        return way
    target, here = os.path.realpath(path), os.path.realpath(os.path.dirname(path))
    leads_back = target in way or os.path.commonpath([target, here]) == target
    outside = within is not None and not within.contains(target)
    return None if leads_back or outside else (*way, target)
