"""Where pictures and masks come from, and which split each belongs to."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pyarrow import fs

from isnet.config import InputError
from pipelines.seeding import stable_hash
from pipelines.storage import inside_ray_job, is_relative, open_filesystem, printable, read_bytes

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of the files that are taken for pictures, in any case; other files are left alone."""

_NOTES = (".md", ".txt")
"""Endings that nobody takes for a picture's: a README beside the pictures brings no warning."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of pictures, at any depth. A key is a path below it, with forward slashes."""

    location: str
    """Local path or URI."""
    flag: str
    """The option that named it, for messages."""

    @property
    def name(self) -> str:
        """How messages call it: the option and what it was given."""
        return f"{self.flag} {printable(self.location)}"

    def list(self) -> list[tuple[str, int]]:
        """Find the pictures: (key, bytes), sorted by key; warn of files with other endings.

        Raises:
            InputError: a missing or empty folder.

        """
        filesystem, root = open_filesystem(self.location)
        self._require_folder(filesystem, root)
        found: list[tuple[str, int]] = []
        others: Counter[str] = Counter()
        for info in _walk(filesystem, root):
            if info.base_name.lower().endswith(SUFFIXES):
                found.append((info.path[len(root) :].lstrip("/"), info.size))
            else:
                others[_ending(info.base_name)] += 1
        left_out = _left_out(others)
        if not found:
            raise InputError(
                f"{self.name} holds no pictures ({', '.join(SUFFIXES)}); "
                f"name the folder they are in{left_out and f' ({left_out})'}"
            )
        if left_out:
            print(f"warning: {self.name}: {left_out}", file=sys.stderr, flush=True)
        return sorted(found)

    def read(self, key: str) -> bytes:
        """Read one file.

        Raises:
            InputError: the file is gone or unreadable: one line that says why.
            FileNotFoundError: the whole folder is not there, as on a node that does not share it.

        """
        filesystem, root = open_filesystem(self.location)
        try:
            return read_bytes(filesystem, f"{root}/{key}")
        except OSError as error:
            if filesystem.get_file_info(root).type != fs.FileType.Directory:
                raise FileNotFoundError(self.name) from error
            reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
            raise InputError(f"cannot be read: {reason}") from error

    def _require_folder(self, filesystem: fs.FileSystem, root: str) -> None:
        try:
            kind = filesystem.get_file_info(root).type
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.name} cannot be read: {reason}") from error
        if kind == fs.FileType.File:
            raise InputError(f"{self.name} is a file; give the folder it is in")
        if kind != fs.FileType.Directory:
            hint = "check the spelling"
            if inside_ray_job() and is_relative(self.location):
                hint = "a job runs in a copy of the working directory, give an absolute path"
            raise InputError(f"{self.name} does not exist; {hint}")


def _walk(filesystem: fs.FileSystem, root: str) -> Iterator[fs.FileInfo]:
    """Files below a folder, one folder's listing at a time; hidden ones are left out."""
    waiting = [root]
    while waiting:
        for info in filesystem.get_file_info(fs.FileSelector(waiting.pop())):
            if info.base_name.startswith("."):
                continue
            if info.type == fs.FileType.Directory:
                waiting.append(info.path)
            elif info.type == fs.FileType.File:
                yield info


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "no ending"


def _left_out(others: Counter[str]) -> str:
    """Say which files are not read, e.g. `12 files with other endings (.heic 12) are not read`."""
    counts = Counter({ending: n for ending, n in others.items() if ending not in _NOTES})
    if not counts:
        return ""
    kinds = [f"{ending} {n:,}" for ending, n in counts.most_common(5)]
    kinds += ["..."] if len(counts) > 5 else []
    files, are = ("file", "is") if counts.total() == 1 else ("files", "are")
    return f"{counts.total():,} {files} with other endings ({', '.join(kinds)}) {are} not read"


def listing_hash(files: Iterable[tuple[str, int]]) -> str:
    """Hash names and sizes of files, in hexadecimal."""
    digest = hashlib.sha256()
    for key, size in files:
        digest.update(f"{key}\0{size}\n".encode())
    return digest.hexdigest()


def split_keys(keys: Sequence[str], *, validation_percent: float) -> dict[str, list[str]]:
    """Divide keys into `train` and `validation` by a hash of each key.

    A key's split does not depend on the other keys, so a set can grow without moving what is in
    it. A small set is the exception: should its hashes leave a split empty, the key with the
    lowest (highest) hash becomes its validation (training) part.

    Args:
        keys: distinct keys, at least two.
        validation_percent: share of the validation split, in (0, 100).

    Returns:
        the two lists, each in the order of the hashes and so shuffled.

    """
    ranked = sorted((stable_hash("split", key), key) for key in keys)
    limit = int(validation_percent / 100 * 2**64)
    count = sum(value < limit for value, _ in ranked)
    count = min(max(count, 1), len(ranked) - 1)
    ordered = [key for _, key in ranked]
    return {"train": ordered[count:], "validation": ordered[:count]}
