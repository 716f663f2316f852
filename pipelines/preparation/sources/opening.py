"""Find out what a location is: a folder of pictures, an archive, or the shards of a WebDataset."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Sequence

from braceexpand import braceexpand
from pyarrow import fs

from isnet.config import InputError
from pipelines.preparation.sources.folder import ARCHIVES, Folder, mixture, walk
from pipelines.preparation.sources.listing import SUFFIXES, ending
from pipelines.preparation.sources.tar import COMPRESSED, Tars, refuse_compressed
from pipelines.preparation.sources.zip import Zip
from pipelines.storage import (
    absolute,
    exists,
    inside_ray_job,
    is_relative,
    is_uri,
    join,
    open_filesystem,
    printable,
)

Source = Folder | Tars | Zip

_WILD = re.compile(r"[*\[?]")


def open_source(location: str, flag: str) -> Source:
    """Open where pictures come from.

    Args:
        location: a folder, a `.tar` or `.zip` archive, or a WebDataset: a folder of `.tar` shards,
            a pattern `x-*.tar` or `x-{000..099}.tar`. A path or a URI.
        flag: the option that named it, for messages.

    Raises:
        InputError: nothing there, or nothing that can be read in place.

    """
    name = f"{flag} {printable(location)}"
    whole = absolute(location)
    base = whole.partition("?")[0] if is_uri(whole) else whole
    archive = base.lower().endswith(".tar")
    if "{" in base or _WILD.search(base if archive else posixpath.basename(base)):
        shards = _expand(whole, name)
        if shards:
            return _tars(shards, name)
    kind = _kind(whole, location, name)
    if kind == fs.FileType.Directory:
        return _open_folder(whole, name)
    refuse_compressed(base, name)
    match ending(base):
        case ".tar":
            return Tars(name=name, locations=(whole,), prefixes=("",))
        case ".zip":
            return Zip(name=name, location=whole)
    raise InputError(f"{name} is a file; give the folder it is in, or a .tar or .zip archive")


def _kind(whole: str, location: str, name: str) -> fs.FileType:
    """Whether a location is a folder or a file."""
    try:
        filesystem, path = open_filesystem(whole)
        kind = filesystem.get_file_info(path).type
    except OSError as error:
        reason = printable(str(error).splitlines()[0])
        raise InputError(f"{name} cannot be read: {reason}") from error
    if kind == fs.FileType.NotFound:
        hint = "check the spelling"
        if inside_ray_job() and is_relative(location):
            hint = "a job runs in a copy of the working directory, give an absolute path"
        raise InputError(f"{name} does not exist; {hint}")
    return kind


def _open_folder(whole: str, name: str) -> Source:
    """Tell a folder of pictures from a folder of archives, by the first that is found."""
    filesystem, root = open_filesystem(whole)
    for info in walk(filesystem, root):
        if info.base_name.lower().endswith(SUFFIXES):
            break
        if info.base_name.lower().endswith((*ARCHIVES, *COMPRESSED)):
            return _open_shards(filesystem, root, whole, name)
    return Folder(name=name, location=whole)


def _open_shards(filesystem: fs.FileSystem, root: str, whole: str, name: str) -> Tars:
    """Take all tar archives below a folder for one WebDataset."""
    found, others = [], []
    for info in walk(filesystem, root):
        base = info.base_name.lower()
        if base.endswith(SUFFIXES):
            raise mixture(name)
        if ending(base) == ".tar":
            found.append(info.path[len(root) :].lstrip("/"))
        elif base.endswith((".zip", *COMPRESSED)):
            others.append(info.base_name)
    if found and not others:
        return _tars([join(whole, path) for path in sorted(found)], name)
    if not found:
        refuse_compressed(min(others), f"{name}: {min(others)}")
    raise InputError(f"{name} holds archives, not .tar alone; name one, such as {min(others)}")


def _expand(pattern: str, name: str) -> list[str]:
    """Find the archives that a pattern stands for; none where a path is spelled like one.

    Raises:
        InputError: braces that do not close, archives that are missing, or no match.

    """
    base, mark, options = pattern.partition("?") if is_uri(pattern) else (pattern, "", "")
    if not is_uri(pattern) and exists(*open_filesystem(pattern)):
        return []
    try:
        spelled = list(braceexpand(base))
    except ValueError as error:
        raise InputError(f"{name}: braces that do not close; write x-{{000..099}}.tar") from error
    found: list[str] = []
    for path in spelled:
        refuse_compressed(path, name)
        if not path.lower().endswith(".tar"):
            raise InputError(f"{name}: a pattern names archives; end it in .tar")
        folder, _, last = path.rpartition("/")
        if _WILD.search(folder):
            raise InputError(f"{name}: * and ? stand in the file name only, not in folders")
        matches = _glob(folder, last, mark + options) if _WILD.search(last) else [path]
        found += [match + mark + options for match in matches]
    if not found:
        raise InputError(f"{name} matches no archive; check the spelling")
    _require_all(found, name)
    return found


def _glob(folder: str, pattern: str, options: str) -> list[str]:
    filesystem, inside = open_filesystem((folder or "/") + options)
    infos = filesystem.get_file_info(fs.FileSelector(inside, allow_not_found=True))
    names = sorted(info.base_name for info in infos if info.type == fs.FileType.File)
    return [f"{folder}/{name}" for name in fnmatch.filter(names, pattern)]


def _require_all(locations: Sequence[str], name: str) -> None:
    """Refuse a WebDataset with shards missing."""
    filesystem, paths = _open_all(locations)
    infos = filesystem.get_file_info(paths)
    absent = [info.base_name for info in infos if info.type != fs.FileType.File]
    if absent:
        raise InputError(
            f"{name}: {len(absent)} of {len(locations)} archives are missing, {absent[0]} first; "
            "is the download complete?"
        )


def _open_all(locations: Sequence[str]) -> tuple[fs.FileSystem, list[str]]:
    """Open the filesystem of many files once: for a URI that may take a request."""
    filesystem, first = open_filesystem(locations[0])
    bases = [loc.partition("?")[0] if is_uri(loc) else loc for loc in locations]
    root = bases[0].removesuffix(first)
    if all(base.startswith(root) for base in bases):
        return filesystem, [base[len(root) :] for base in bases]
    return filesystem, [open_filesystem(location)[1] for location in locations]


def _tars(locations: Sequence[str], name: str) -> Tars:
    """Name the keys of each archive after it, so that members of several may share names."""
    _, paths = _open_all(locations)
    shared = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    prefixes = tuple(path[len(shared) :].lstrip("/")[: -len(".tar")] + "/" for path in paths)
    return Tars(name=name, locations=tuple(locations), prefixes=prefixes)
