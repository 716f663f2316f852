"""Folders that a program keeps to, whatever paths it is given by others."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote

from isnet.config import InputError
from pipelines.storage import absolute, is_uri, open_filesystem, printable

_URI = re.compile(
    r"(?P<scheme>[^:/?#]+)://(?P<login>(?:[^/?#@]*@)?)(?P<host>[^/?#]*)(?P<path>[^?#]*)"
    r"(?P<options>(?:\?[^#]*)?)(?P<fragment>(?:\#.*)?)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Roots:
    """Folders and URIs that files may be read from and written to.

    They bound what is named, not who may write in them: one who swaps a folder for a link between
    the question and the reading is not held back.
    """

    locations: tuple[str, ...]
    """Absolute paths or URIs; those of URIs bring the credentials and options that are used."""

    def resolve(self, location: str, what: str) -> str:
        """Find out where a location lies, all links followed, and that it lies in a root.

        Args:
            location: a path or a URI, of something that need not be there, or a pattern. What a
                pattern stands for is to be resolved again.
            what: how messages call it, such as `--input`.

        Returns:
            An absolute path without links, or a URI with the credentials and options of its root;
            resolved again it stays what it is.

        Raises:
            InputError: it lies in no root, or is a URI with options or credentials of its own.

        """
        path = _local(location, what)
        if path is None:
            return self._resolve_uri(location, what)
        if not self.contains(path):
            raise self._outside(location, what)
        return os.path.realpath(path)

    def contains(self, path: str) -> bool:
        """Whether a local path lies in a root, or is one, once all links are followed."""
        roots = (_local(location, "root") for location in self.locations)
        return any(_is_below(path, root) for root in roots if root is not None)

    def require(self, path: str) -> None:
        """Refuse a local file that lies in no root once all links are followed; `InputError`."""
        if not self.contains(path):
            raise InputError("cannot be read: it is a link out of the folders that may be used")

    def _resolve_uri(self, location: str, what: str) -> str:
        given = _parse(location)
        for root in self.locations:
            allowed = _parse(root) if is_uri(root) else None
            if given and allowed and given.is_plain() and given.lies_in(allowed):
                if not given.is_opened_as(allowed):
                    raise InputError(
                        f"{what} {printable(location)} brings options or credentials of its own; "
                        f"leave them out, those of {printable(root)} are used"
                    )
                return f"{allowed.start}{given.path}{allowed.options}"
        raise self._outside(location, what)

    def _outside(self, location: str, what: str) -> InputError:
        allowed = ", ".join(map(printable, self.locations)) or "there are none"
        return InputError(
            f"{what} {printable(location)} lies outside the folders that may be used ({allowed})"
        )


def lies_in(location: str, folder: str) -> bool:
    """Whether a path or URI lies in a folder or is it, all links followed.

    Options and credentials of URIs, and how they are spelled, make no difference.
    """
    inner, outer = _local(location, "location"), _local(folder, "folder")
    if inner is not None and outer is not None:
        return _is_below(inner, outer)
    if inner is not None or outer is not None:
        return False
    here, there = _parse(location), _parse(folder)
    return here is not None and there is not None and here.lies_in(there)


@dataclass(frozen=True, kw_only=True)
class _Uri:
    """A URI in the pieces that decide what it opens."""

    scheme: str
    login: str
    host: str
    path: str
    options: str
    fragment: str

    @property
    def start(self) -> str:
        return f"{self.scheme}://{self.login}{self.host}"

    @property
    def parts(self) -> list[str]:
        """Parts of the path as they are once decoded: an encoded slash is one."""
        path = unquote(self.path).removeprefix("/").rstrip("/")
        return path.split("/") if path else []

    def lies_in(self, root: _Uri) -> bool:
        """Whether it is in the same place or below, as it is spelled."""
        same = (self.scheme.lower(), self.host) == (root.scheme.lower(), root.host)
        return same and self.parts[: len(root.parts)] == root.parts

    def is_plain(self) -> bool:
        """Whether nothing in it leads upwards, where a store would take it so."""
        return not {".", ".."} & set(self.parts)

    def is_opened_as(self, root: _Uri) -> bool:
        """Whether nothing in it changes how it is opened."""
        return (
            self.login in ("", root.login)
            and self.options in ("", root.options)
            and not self.fragment
        )


def _parse(uri: str) -> _Uri | None:
    found = _URI.fullmatch(uri)
    return _Uri(**found.groupdict()) if found else None


def _local(location: str, what: str) -> str | None:
    """Path of what lies on this machine; None for URIs of other places."""
    if not location or "\0" in location:
        raise InputError(f"{what} is empty or has a NUL in it; give a path or a URI")
    if not is_uri(location):
        return absolute(location)
    return open_filesystem(location)[1] if location.startswith("file://") else None


def _is_below(path: str, root: str) -> bool:
    real = os.path.realpath(root)
    return os.path.commonpath([os.path.realpath(path), real]) == real
