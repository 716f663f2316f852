"""Reading a request: its bytes under a limit, its picture, mask and options."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from pipelines.serving.errors import ApiError, from_validation
from pipelines.serving.options import InpaintBody, InpaintOptions

_FILES = ("image", "mask")
_MOST_FIELDS = 32


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What a client sent."""

    image: bytes
    mask: bytes
    options: InpaintOptions


async def read_submission(request: Request, *, max_bytes: int) -> Submission:
    """Read a request in multipart/form-data or JSON.

    Raises:
        ApiError: 413 too many bytes, 415 another type of content, 400 or 422 what is wrong in it.

    """
    kind = media_type(request)
    body = await read_body(request, max_bytes)
    if kind == "application/json":
        return await asyncio.to_thread(_from_json, body)
    return await _from_form(request.headers, body)


def media_type(request: Request) -> str:
    """Return the type of a request's body; `ApiError` for one that nothing is sent in here."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/json"):
        raise ApiError(
            415,
            "unsupported_media_type",
            f"content type {kind[:60]!r}; send multipart/form-data or application/json",
        )
    return kind


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the body, no further than the limit; `ApiError` beyond it."""
    refusal = ApiError(
        413,
        "too_many_bytes",
        f"the request is larger than {max_bytes:,} bytes; send smaller files",
        limit=("max_bytes", max_bytes),
    )
    body = bytearray()
    async for chunk in limited(request, max_bytes, refusal):
        body += chunk
    return bytes(body)


async def limited(request: Request, max_bytes: int, refusal: ApiError) -> AsyncIterator[bytes]:
    """Read the body as it comes, no further than the limit.

    Raises:
        ApiError: `refusal` beyond the limit, at once where the request says so; or the connection
            broke.

    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise refusal
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise refusal
            yield chunk
    except ClientDisconnect as error:
        raise ApiError(400, "bad_request", "the connection broke before the body's end") from error


def _from_json(body: bytes) -> Submission:
    # Base64 has no commas. Of millions of values, pydantic would find something wrong with each.
    if body.count(b",") > _MOST_FIELDS:
        raise ApiError(400, "bad_request", f"more than {_MOST_FIELDS} fields; see /docs for ours")
    try:
        parsed = InpaintBody.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise from_validation(error) from error
    options = InpaintOptions.model_validate(parsed.model_dump(exclude=set(_FILES)))
    return Submission(
        image=_from_base64("image", parsed.image),
        mask=_from_base64("mask", parsed.mask),
        options=options,
    )


def _from_base64(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "bad_request", f"{name} is not base64: {error}") from error


async def _from_form(headers: Headers, body: bytes) -> Submission:
    form = await _parse_form(headers, body)
    files: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    for name, value in form.multi_items():
        if name in files or name in texts:
            raise ApiError(400, "bad_request", f"{name[:60]!r} is there twice; send it once")
        if name in _FILES:
            files[name] = await _read_file(name, value)
        elif isinstance(value, UploadFile):
            raise ApiError(422, "invalid_option", f"{name[:60]!r} is a file; send it as text")
        else:
            texts[name] = value
    for name in _FILES:
        if not files.get(name):
            raise ApiError(400, "bad_request", f"no file {name!r} was sent, or an empty one")
    try:
        options = InpaintOptions.model_validate(texts)
    except ValidationError as error:
        raise from_validation(error) from error
    return Submission(image=files["image"], mask=files["mask"], options=options)


async def _read_file(name: str, value: UploadFile | str) -> bytes:
    if isinstance(value, str):  # whose bytes were taken for characters
        raise ApiError(400, "bad_request", f"{name} is text; send it as a file, with a file name")
    return await value.read()


async def _parse_form(headers: Headers, body: bytes) -> FormData:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    parser = MultiPartParser(
        headers,
        stream(),  # type: ignore[arg-type]
        max_files=_MOST_FIELDS,
        max_fields=_MOST_FIELDS,
        max_part_size=len(body),
    )
    parser.spool_max_size = len(body)  # which is in memory already: nothing goes to the disk
    try:
        return await parser.parse()
    except (MultiPartException, ValueError, LookupError) as error:
        reason = getattr(error, "message", str(error))
        raise ApiError(400, "bad_request", f"not multipart/form-data: {reason}") from error
