"""Find out what a location is: a folder of pictures, archives, or Parquet tables."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from pyarrow import fs

from isnet.config import InputError
from pipelines.confinement import Roots
from pipelines.sources.folder import ARCHIVES, Folder, key_of, mixture, walk
from pipelines.sources.listing import SUFFIXES, ending
from pipelines.sources.patterns import below, confined, expand, is_pattern, open_all, split_pattern
from pipelines.sources.table import Columns, Table
from pipelines.sources.tar import COMPRESSED, Tars, refuse_compressed
from pipelines.sources.zip import Zip
from pipelines.storage import (
    absolute,
    first_line,
    inside_ray_job,
    is_relative,
    is_uri,
    open_filesystem,
    printable,
)

Source = Folder | Tars | Zip | Table

_PARQUET = ".parquet"


def open_source(
    location: str, flag: str, *, within: Roots | None = None, columns: Columns | None = None
) -> Source:
    """Open where pictures come from.

    Args:
        location: a folder, a pattern `photos/*.jpg` or `photos/**/*.{jpg,png}`, a `.tar` or `.zip`
            archive, a WebDataset: a folder of `.tar` shards, a pattern `x-*.tar` or
            `x-{000..099}.tar`, or Parquet likewise: a file, a folder or a pattern. A path or a URI.
        flag: the option that named it, for messages.
        within: where it and all its files must lie, links followed; None: anywhere.
        columns: which columns of Parquet hold what; None: Parquet is not taken.

    Raises:
        InputError: nothing there, nothing that can be read in place, or outside of `within`.

    """
    name = f"{flag} {printable(location)}"
    whole = within.resolve(location, flag) if within else absolute(location)
    if is_pattern(whole):
        return _open_pattern(whole, location, name, within, columns)
    base = whole.partition("?")[0] if is_uri(whole) else whole
    kind = _kind(whole, location, name)
    if kind == fs.FileType.Directory:
        return _open_folder(whole, name, within, columns)
    refuse_compressed(base, name)
    match ending(base):
        case ".tar":
            return Tars(name=name, locations=(whole,), prefixes=("",))
        case ".zip":
            return Zip(name=name, location=whole)
        case ".parquet" if columns:
            return _table([whole], name, within, columns)
    raise InputError(f"{name} is a file; give the folder it is in, or a .tar or .zip archive")


def _open_pattern(
    whole: str, location: str, name: str, within: Roots | None, columns: Columns | None
) -> Source:
    """Tell a pattern of pictures from one of archives or tables, by its ending."""
    base = whole.partition("?")[0] if is_uri(whole) else whole
    refuse_compressed(base, name)
    if base.lower().endswith(".tar"):
        return _tars(expand(whole, ".tar", name, within), name)
    if base.lower().endswith(_PARQUET) and columns:
        return _table(expand(whole, _PARQUET, name, within), name, within, columns)
    if base.lower().endswith((*ARCHIVES, _PARQUET)):
        raise InputError(f"{name}: a pattern names pictures or tar archives; end it in .tar")
    folder, pattern = split_pattern(whole, name)
    if _kind(folder, location, name) != fs.FileType.Directory:
        raise InputError(
            f"{name}: {printable(folder)} is a file, a pattern names files of a folder"
        )
    return Folder(name=name, location=folder, pattern=pattern, within=within)


def _kind(whole: str, location: str, name: str) -> fs.FileType:
    """Whether a location is a folder or a file."""
    try:
        filesystem, path = open_filesystem(whole)
        kind = filesystem.get_file_info(path).type
    except OSError as error:
        reason = first_line(error)
        raise InputError(f"{name} cannot be read: {reason}") from error
    if kind == fs.FileType.NotFound:
        hint = "check the spelling"
        if inside_ray_job() and is_relative(location):
            hint = "a job runs in a copy of the working directory, give an absolute path"
        raise InputError(f"{name} does not exist; {hint}")
    return kind


def _open_folder(whole: str, name: str, within: Roots | None, columns: Columns | None) -> Source:
    """Tell folders of pictures, of archives, and of tables without pictures beside them."""
    filesystem, root = open_filesystem(whole)
    tables = []
    for info in walk(filesystem, root, within=within):
        base = info.base_name.lower()
        if base.endswith(SUFFIXES):
            break
        if base.endswith((*ARCHIVES, *COMPRESSED)):
            return _open_shards(whole, name, within)
        if base.endswith(_PARQUET):
            tables.append(below(whole, key_of(info, root)))
    else:
        if tables and columns:
            return _table(confined(sorted(tables), name, within), name, within, columns)
    return Folder(name=name, location=whole, within=within)


def _open_shards(whole: str, name: str, within: Roots | None) -> Tars:
    """Take all tar archives below a folder for one WebDataset."""
    filesystem, root = open_filesystem(whole)
    found, others = [], []
    for info in walk(filesystem, root, within=within):
        base = info.base_name.lower()
        if base.endswith(SUFFIXES):
            raise mixture(name)
        if ending(base) == ".tar":
            found.append(below(whole, key_of(info, root)))
        elif base.endswith((".zip", *COMPRESSED)):
            others.append(info.base_name)
    if found and not others:
        return _tars(confined(sorted(found), name, within), name)
    if not found:
        refuse_compressed(min(others), f"{name}: {min(others)}")
    raise InputError(f"{name} holds archives, not .tar alone; name one, such as {min(others)}")


def _tars(locations: Sequence[str], name: str) -> Tars:
    """Name the keys of each archive after it, so that members of several may share names."""
    prefixes = tuple(f"{stem}/" for stem in _stems(locations))
    return Tars(name=name, locations=tuple(locations), prefixes=prefixes)


def _table(locations: Sequence[str], name: str, within: Roots | None, columns: Columns) -> Table:
    """Name the rows of each file after it, so that the numbers of several may be the same."""
    return Table(
        name=name,
        locations=tuple(locations),
        stems=_stems(locations),
        columns=columns,
        within=within,
    )


def _stems(locations: Sequence[str]) -> tuple[str, ...]:
    """Paths of files below the folder that all are in, without their endings."""
    _, paths = open_all(locations)
    shared = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    return tuple(posixpath.splitext(path[len(shared) :].lstrip("/"))[0] for path in paths)
