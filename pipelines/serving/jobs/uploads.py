"""Uploads of a job: multipart/form-data that goes to storage as it arrives."""

from __future__ import annotations

import asyncio
import logging
import posixpath
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pyarrow import NativeFile
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pipelines.serving.body import limited
from pipelines.serving.errors import ApiError
from pipelines.sources.listing import SUFFIXES
from pipelines.storage import join, open_filesystem

_log = logging.getLogger("ray.serve")

PICTURES, MASKS = "pictures", "masks"
"""Files of a form; `masks` may be text."""

_MOST_FIELDS = 32
_MOST_TEXT = 4096

_ARCHIVE = b"PK"
"""What a zip archive begins with, an empty one too."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file that was sent."""

    name: str
    """As the client calls it."""
    location: str
    """Where it lies."""
    size: int

    @property
    def archive(self) -> bool:
        """Whether it says that it is a zip archive."""
        return self.location.partition("?")[0].endswith(".zip")


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form that was sent."""

    files: dict[str, StoredFile]
    texts: dict[str, str]


async def receive(request: Request, folder: str, *, max_bytes: int) -> Form:
    """Read a form, and put its files into a folder; a part of one is all that memory holds.

    Args:
        request: in multipart/form-data.
        folder: folder or URI that is new.
        max_bytes: largest request.

    Raises:
        ApiError: 413 too many bytes, 400 or 422 what is wrong in the form.
        OSError: the storage takes no more.

    """
    refusal = ApiError(
        413,
        "too_many_bytes",
        f"the upload is larger than {max_bytes:,} bytes; send several jobs of fewer pictures",
        limit=("max_upload_bytes", max_bytes),
    )
    parser = _StoringParser(request.headers, limited(request, max_bytes, refusal), folder)
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, LookupError) as error:
        reason = getattr(error, "message", str(error))
        raise ApiError(400, "bad_request", f"not multipart/form-data: {reason}") from error
    files: dict[str, StoredFile] = {}
    texts: dict[str, str] = {}
    for name, value in form.multi_items():
        if name in files or name in texts:
            raise ApiError(400, "bad_request", f"{name[:60]!r} is there twice; send it once")
        if isinstance(value, UploadFile):
            await value.close()
            files[name] = _stored(value)
        else:
            texts[name] = value
    return Form(files=files, texts=texts)


class _StoringParser(MultiPartParser):
    """Starlette's parser, whose files are the storage's."""

    def __init__(self, headers: Headers, stream: AsyncIterator[bytes], folder: str) -> None:
        super().__init__(
            headers,
            stream,  # type: ignore[arg-type]
            max_files=2,
            max_fields=_MOST_FIELDS,
            max_part_size=_MOST_TEXT,
        )
        self._folder = folder

    def on_headers_finished(self) -> None:
        """Take the temporary file's place."""
        super().on_headers_finished()
        part: Any = self._current_part
        if part.file is None:
            return
        name = str(part.field_name)
        if name not in (PICTURES, MASKS):
            raise ApiError(422, "invalid_option", f"{name[:60]!r} is a file; send it as text")
        sink: Any = _Sink(join(self._folder, name), part.file.filename or name)
        self._files_to_close_on_error.append(sink)
        part.file = UploadFile(sink, size=0, filename=part.file.filename)


class _Sink:
    """A file in storage whose ending its first bytes decide; opened, written, closed in threads."""

    def __init__(self, stem: str, name: str) -> None:
        self.location = stem
        self._name = name
        self._stream: NativeFile | None = None
        self._start = b""

    def write(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.write(data)
            return
        self._start += data
        if len(self._start) >= len(_ARCHIVE):
            self._begin()

    def _begin(self) -> None:
        suffix = posixpath.splitext(self._name.lower())[1]
        other = suffix if suffix in SUFFIXES else ".png"
        ending = ".zip" if self._start.startswith(_ARCHIVE) else other
        self.location = _with_ending(self.location, ending)
        filesystem, path = open_filesystem(self.location)
        filesystem.create_dir(posixpath.dirname(path), recursive=True)
        self._stream = filesystem.open_output_stream(path)
        self._stream.write(self._start)

    def seek(self, offset: int) -> None:
        """Do nothing: it is not read here."""

    def close(self) -> None:
        if self._start and self._stream is None:
            self._begin()
        if self._stream is not None:
            self._stream.close()


def _with_ending(location: str, ending: str) -> str:
    base, mark, options = location.partition("?")
    return base + ending + mark + options


def _stored(upload: UploadFile) -> StoredFile:
    sink: Any = upload.file
    assert upload.size is not None, "it is counted as it is written"
    return StoredFile(name=upload.filename or "", location=sink.location, size=upload.size)


async def in_thread(function: Any, *arguments: Any) -> Any:
    """Use the storage in a thread; say that the endpoint's, not the client's, is at fault."""
    try:
        return await asyncio.to_thread(function, *arguments)
    except OSError as error:
        raise storage_failed(error) from error


def storage_failed(error: OSError) -> ApiError:
    """Say that the jobs' folder cannot be used now; the log says why."""
    _log.error("the jobs' folder cannot be used", exc_info=error)
    return ApiError(
        503, "storage", "the endpoint's storage cannot be used now; try again", retry_after=30
    )
