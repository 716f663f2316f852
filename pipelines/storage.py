"""Where files live: local paths and any URI that pyarrow's filesystems take (s3, gs, hdfs)."""

from __future__ import annotations

import json
import os
import posixpath
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, fs

from isnet.config import InputError

_URI = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_SQLITE = re.compile(r"^sqlite(\+\w+)?:///")
_CREDENTIALS = re.compile(r"://(?:[^/@?:\s]*:[^@?\s]*|[^/@?\s]*)@")
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")
_OBJECT_STORES = ("s3", "gcs", "abfs")


def is_uri(location: str) -> bool:
    """Tell a URI such as `s3://bucket/folder` from a local path."""
    return bool(_URI.match(location))


def open_filesystem(location: str) -> tuple[fs.FileSystem, str]:
    """Open what a path or URI points into.

    Args:
        location: a local path (`~` is expanded, a relative one starts at the working directory)
            or a URI; options such as `endpoint_override` may follow an S3 URI's `?`.

    Returns:
        The filesystem, and the path inside it without a trailing slash.

    Raises:
        InputError: an empty location, or a URI that no filesystem takes.

    """
    if not location:
        raise InputError("an empty path was given; name a folder or a URI")
    if not is_uri(location):
        return fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(location))
    try:
        filesystem, path = fs.FileSystem.from_uri(location)
    except (ArrowException, OSError, ValueError) as error:
        reason = first_line(error)
        raise InputError(f"cannot open {printable(location)}: {reason}; check the URI") from error
    return filesystem, path.rstrip("/")


def write_atomically(filesystem: fs.FileSystem, path: str, data: bytes | memoryview) -> None:
    """Write a file so that a reader finds all of it or none.

    Object stores show an object only once it is complete, so it is written in place there;
    elsewhere it is written under a temporary name beside its place and then moved. Missing
    folders are made. A file of that name is replaced.
    """
    if filesystem.type_name in _OBJECT_STORES:
        _write(filesystem, path, data)
        return
    folder = path.rpartition("/")[0]
    filesystem.create_dir(folder, recursive=True)
    temporary = f"{folder}/.{uuid.uuid4().hex}.tmp"  # no longer than names may be
    try:
        _write(filesystem, temporary, data)
        filesystem.move(temporary, path)
    except BaseException:
        if filesystem.get_file_info(temporary).type != fs.FileType.NotFound:
            filesystem.delete_file(temporary)
        raise


def write_or_explain(location: str, data: bytes) -> None:
    """Write a file atomically; `InputError` says where it cannot be written, and what to do."""
    filesystem, path = open_filesystem(location)
    with explained_writes(location):
        write_atomically(filesystem, path, data)


@contextmanager
def explained_writes(location: str) -> Iterator[None]:
    """Turn an `OSError` into an `InputError` that says where it is that cannot be written to."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write to {printable(location)}: {first_line(error)}; make room or give "
            "access, or name another --output"
        ) from error


def is_temporary(name: str) -> bool:
    """Whether a file name is one that `write_atomically` moves away when it is done."""
    return _TEMPORARY.fullmatch(name) is not None


def _write(filesystem: fs.FileSystem, path: str, data: bytes | memoryview) -> None:
    with filesystem.open_output_stream(path) as stream:
        stream.write(data)


def is_local(filesystem: fs.FileSystem) -> bool:
    """Whether a filesystem is this machine's, where seeking costs nothing."""
    return bool(filesystem.type_name == "local")


def read_bytes(filesystem: fs.FileSystem, path: str) -> bytes:
    """Read a whole file; `OSError` where it cannot be read."""
    with filesystem.open_input_file(path) as stream:
        return stream.read()


def exists(filesystem: fs.FileSystem, path: str) -> bool:
    """Whether a file or folder of that name is there."""
    return filesystem.get_file_info(path).type != fs.FileType.NotFound


def require_empty(flag: str, location: str, *, holds: str) -> None:
    """Refuse a folder with files that none of ours are, hidden ones aside.

    Args:
        flag: the option that named it.
        location: a folder or URI; it need not be there.
        holds: what it would hold if it were ours, e.g. `prepared data set`.

    Raises:
        InputError: it is a file, or holds others' files.

    """
    filesystem, folder = open_filesystem(location)
    if filesystem.get_file_info(folder).type == fs.FileType.File:
        raise InputError(f"{flag} {printable(location)} is a file; name a folder")
    entries = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    strangers = sorted(info.base_name for info in entries if not info.base_name.startswith("."))
    if strangers:
        raise InputError(
            f"{flag} {printable(location)} is not empty and holds no {holds} (it has "
            f"{strangers[0]!r}); name a new folder"
        )


@contextmanager
def local_copy(location: str, names: Sequence[str]) -> Iterator[Path]:
    """Give a file, or files of a folder, under a local path; what a URI holds is fetched.

    Args:
        location: a local path, yielded as it is, whether something is there or not; or a URI of
            a file or folder, yielded as a temporary copy.
        names: the files that are wanted where a URI is of a folder.

    Raises:
        InputError: nothing at the URI, a folder without one of the files, or it cannot be read.

    """
    if not is_uri(location):
        yield Path(location).expanduser()
        return
    with tempfile.TemporaryDirectory(prefix="isnet-") as folder:
        filesystem, source = open_filesystem(location)
        target = Path(folder) / (posixpath.basename(source) or "root")
        try:
            _fetch(filesystem, source, names, target, shown=printable(location))
        except OSError as error:
            raise InputError(
                f"cannot read {printable(location)} ({first_line(error)}); check the URI and the "
                "credentials"
            ) from error
        yield target


def _fetch(
    filesystem: fs.FileSystem, source: str, names: Sequence[str], target: Path, *, shown: str
) -> None:
    """Copy a file, or the named files of a folder, to a local path."""
    kind = filesystem.get_file_info(source).type
    if kind == fs.FileType.NotFound:
        raise InputError(f"{shown} does not exist; check the URI")
    wanted = {source: target}
    if kind == fs.FileType.Directory:
        target.mkdir()
        wanted = {f"{source}/{name}": target / name for name in names}
        missing = [name for name in names if not exists(filesystem, f"{source}/{name}")]
        if missing:
            raise InputError(f"{shown} has no {' and no '.join(missing)}; is it the right folder?")
    for path, local in wanted.items():
        fs.copy_files(path, str(local), filesystem, fs.LocalFileSystem())


def inside_ray_job(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is the driver of a submitted job (`ray job submit`).

    Ray's job supervisor hands the driver its submission id in the job's metadata; a driver that
    merely connects to a cluster has none.
    """
    given = environment.get("RAY_JOB_CONFIG_JSON_ENV_VAR")
    if not given:
        return False
    return "job_submission_id" in (json.loads(given).get("metadata") or {})


def require_absolute(flag: str, location: str, *, inside_job: bool | None = None) -> None:
    """Refuse a relative output inside a submitted job, whose folder is an unpacked copy.

    Args:
        flag: the option as it is typed, e.g. `--output`.
        location: a path, a URI or an SQLite tracking URI (`sqlite:///mlflow.db` is relative,
            `sqlite:////data/mlflow.db` absolute).
        inside_job: whether a job is running; found out when not given.

    Raises:
        InputError: names the option, the value and the form to use.

    """
    if not (inside_ray_job() if inside_job is None else inside_job) or not is_relative(location):
        return
    scheme = _SQLITE.match(location)
    prefix, path = (scheme.group(), location[scheme.end() :]) if scheme else ("", location)
    raise InputError(
        f"{flag} {printable(location)} is relative, and a submitted job runs in a copy of the "
        f"working directory that is deleted afterwards; give an absolute path such as "
        f"{flag} {prefix}/shared/{os.path.normpath(path).lstrip('./')} or a URI"
    )


def is_relative(location: str) -> bool:
    """Whether what a path or URI points at depends on the working directory."""
    scheme = _SQLITE.match(location)
    if scheme:
        path = location[scheme.end() :]
        return path != "" and path != ":memory:" and not path.startswith("/")
    if location.startswith("file:") and not location.startswith("file:/"):
        return True
    return not is_uri(location) and not location.startswith(("/", "~", "file:"))


def printable(location: str) -> str:
    """Hide the key and secret that a URI may carry; for messages, logs and manifests."""
    return _CREDENTIALS.sub("://***@", location)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type; addresses without passwords."""
    return printable((str(error).strip() or type(error).__name__).splitlines()[0])


def without_secrets(value: Any) -> Any:
    """Hide the passwords of URIs in a nest of mappings and lists."""
    if isinstance(value, dict):
        return {key: without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return printable(value) if isinstance(value, str) else value


def absolute(location: str) -> str:
    """Make a local path absolute, so that it means the same in every process; keep a URI."""
    return location if is_uri(location) else os.path.abspath(os.path.expanduser(location))


def join(location: str, *parts: str) -> str:
    """Append path parts to a path or URI, before the URI's options."""
    base, mark, options = location.partition("?") if is_uri(location) else (location, "", "")
    joined = "/".join([base.rstrip("/"), *parts]) if base != "/" else str(Path("/", *parts))
    return joined + mark + options


def split_name(location: str) -> tuple[str, str]:
    """Take the last part off a path or URI: the folder, with the URI's options, and the name."""
    base, mark, options = location.partition("?") if is_uri(location) else (location, "", "")
    folder, _, name = base.rpartition("/")
    return folder + mark + options, name
