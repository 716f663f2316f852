"""Patterns: which files `photos/*.jpg`, `photos/**/*.png` or `x-{000..099}.tar` stand for."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, unquote

from braceexpand import braceexpand
from pyarrow import fs

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.tar import refuse_compressed
from pipelines.storage import is_uri, join, open_filesystem, split_name

_WILD = re.compile(r"[*\[?]")

_ANY_FOLDERS = "**"

_KINDS = {".tar": "archive", ".parquet": "table"}
"""What of several files may be a source, by their ending."""

_MOST_FILES = 100_000
"""Paths that the braces of a pattern of archives or tables may stand for."""

_MOST_ALTERNATIVES = 100
"""Patterns that the braces of a pattern of pictures may stand for; each picture is held to all."""

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_DIGITS = 9
_LETTERS = re.compile(r"([A-Za-z])\.\.([A-Za-z])")
_ESCAPED = re.compile(r"\\.", re.DOTALL)


@dataclass(frozen=True)
class Pattern:
    """A pattern of paths below a folder: `*` and `?` within a part, `**` for any folders."""

    text: str

    def matches(self, key: str) -> bool:
        """Whether a file is meant."""
        parts = key.split("/")
        return any(len(steps) in _reached(steps, parts) for steps in self._alternatives)

    def may_hold(self, folder: str) -> bool:
        """Whether something below a folder may be meant."""
        parts = folder.split("/")
        return any(_reached(steps, parts) - {len(steps)} for steps in self._alternatives)

    @cached_property
    def _alternatives(self) -> list[list[str]]:
        return [spelled.split("/") for spelled in braceexpand(self.text)]


def _reached(steps: Sequence[str], parts: Sequence[str]) -> set[int]:
    """Find how many of a pattern's steps the parts of a path may have used up."""
    reached = _skipped(steps, {0})
    for part in parts:
        here = [step for step in reached if step < len(steps)]
        stay = {step for step in here if steps[step] == _ANY_FOLDERS}
        go = {step + 1 for step in here if fnmatch.fnmatchcase(part, steps[step])}
        reached = _skipped(steps, stay | go)
    return reached


def _skipped(steps: Sequence[str], reached: set[int]) -> set[int]:
    """Add what is reached where `**` stands for no folder at all."""
    for step, text in enumerate(steps):
        if text == _ANY_FOLDERS and step in reached:
            reached.add(step + 1)
    return reached


def is_pattern(location: str) -> bool:
    """Whether a path or URI stands for others; a local one not where something is called so."""
    base = location.partition("?")[0] if is_uri(location) else location
    if "{" not in base and not _WILD.search(base):
        return False
    return is_uri(location) or not os.path.exists(location)


def split_pattern(location: str, name: str) -> tuple[str, Pattern]:
    """Divide a pattern of pictures: the folder that all of them are in, and what is below it.

    Raises:
        InputError: braces that do not close, or that stand for too much.

    """
    base, mark, options = location.partition("?") if is_uri(location) else (location, "", "")
    parts = base.split("/")
    first = next(n for n in range(len(parts)) if is_pattern("/".join(parts[: n + 1]) or "/"))
    text = "/".join(parts[first:])
    text = unquote(text) if is_uri(location) else text
    _spell_out(text, name, most=_MOST_ALTERNATIVES)
    return ("/".join(parts[:first]) or "/") + mark + options, Pattern(text)


def expand(pattern: str, ending: str, name: str, within: Roots | None) -> list[str]:
    """Find the archives or tables that a pattern stands for.

    Args:
        pattern: path or URI with braces anywhere, and `*` and `?` in the file name.
        ending: of all of them, such as `.tar`.
        name: how messages call the pattern.
        within: where they must lie, links followed; None: anywhere.

    Raises:
        InputError: braces that do not close, files that are missing or outside, or no match.

    """
    base, mark, options = pattern.partition("?") if is_uri(pattern) else (pattern, "", "")
    found: list[str] = []
    for path in _spell_out(base, name, most=_MOST_FILES):
        refuse_compressed(path, name)
        if not path.lower().endswith(ending):
            raise InputError(f"{name}: a pattern names {_KINDS[ending]}s; end it in {ending}")
        if _WILD.search(posixpath.dirname(path)):
            raise InputError(f"{name}: * and ? stand in the file name only, not in folders")
        (whole,) = confined([path + mark + options], name, within)
        found += _glob(whole) if _WILD.search(posixpath.basename(path)) else [whole]
    if not found:
        raise InputError(f"{name} matches no {_KINDS[ending]}; check the spelling")
    found = confined(found, name, within)
    _require_all(found, f"{_KINDS[ending]}s", name)
    return found


def confined(locations: Sequence[str], name: str, within: Roots | None) -> list[str]:
    """Follow all links, and refuse what lies outside."""
    return [within.resolve(each, f"{name}:") if within else each for each in locations]


def below(location: str, key: str) -> str:
    """Name what lies below a path or URI, in which some signs stand for others."""
    return join(location, quote(key) if is_uri(location) else key)


def open_all(locations: Sequence[str]) -> tuple[fs.FileSystem, list[str]]:
    """Open the filesystem of many files once: for a URI that may take a request."""
    filesystem, first = open_filesystem(locations[0])
    bases = [unquote(loc.partition("?")[0]) if is_uri(loc) else loc for loc in locations]
    root = bases[0].removesuffix(first)
    if all(base.startswith(root) for base in bases):
        return filesystem, [base[len(root) :] for base in bases]
    return filesystem, [open_filesystem(location)[1] for location in locations]


def _glob(pattern: str) -> list[str]:
    """Find the files that a pattern without braces stands for."""
    folder, last = split_name(pattern)
    last = unquote(last) if is_uri(pattern) else last
    filesystem, inside = open_filesystem(folder or "/")
    infos = filesystem.get_file_info(fs.FileSelector(inside, allow_not_found=True))
    names = sorted(info.base_name for info in infos if info.type == fs.FileType.File)
    return [below(folder or "/", file) for file in fnmatch.filter(names, last)]


def _require_all(locations: Sequence[str], kind: str, name: str) -> None:
    """Refuse a download that is not complete."""
    filesystem, paths = open_all(locations)
    infos = filesystem.get_file_info(paths)
    absent = [info.base_name for info in infos if info.type != fs.FileType.File]
    if absent:
        raise InputError(
            f"{name}: {len(absent)} of {len(locations)} {kind} are missing, {absent[0]} first; "
            "is the download complete?"
        )


def _spell_out(text: str, name: str, *, most: int) -> list[str]:
    """Spell out the braces of a pattern.

    Raises:
        InputError: braces that do not close, or that stand for more than so many.

    """
    if _at_most(text) > most:
        raise InputError(f"{name}: braces that stand for more than {most:,} paths; use * or fewer")
    try:
        return list(braceexpand(text))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: braces that do not close; write x-{{000..099}}.tar") from error


def _at_most(text: str) -> float:
    """Bound what braces stand for before they are spelled out, which could fill the memory."""
    total, open_braces = 1.0, list[int]()
    text = _ESCAPED.sub("_", text)
    for first, last in _RANGE.findall(text):
        long = max(len(first), len(last)) > _DIGITS
        total *= float("inf") if long else abs(int(first) - int(last)) + 1
    for first, last in _LETTERS.findall(text):
        total *= abs(ord(first) - ord(last)) + 1
    for mark in re.findall("[{},]", text):
        if mark == "{":
            open_braces.append(1)
        elif open_braces and mark == ",":
            open_braces[-1] += 1
        elif open_braces:
            total *= open_braces.pop()
    return total
