"""What the endpoint sends back."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from PIL import Image

from pipelines.calling.failure import InpaintError, address, from_body, from_response

Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image file, as it was sent."""

    data: bytes
    """The file."""
    media_type: str
    """E.g. `image/png`."""

    @property
    def image(self) -> Image.Image:
        """The picture, opened anew each time."""
        return Image.open(io.BytesIO(self.data))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, byte for byte."""
        Path(path).write_bytes(self.data)


@dataclass(frozen=True, kw_only=True)
class PassEvent(Picture):
    """The whole picture after one pass over one region; a JPEG to look at."""

    number: int
    """Of the pass over this region, from 1."""
    region: int
    """Which region, from 0."""
    regions: int
    """How many there are."""
    hole_ratio: float
    """Share of the region that is still taken for missing, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Filled(Picture):
    """The filled picture."""

    passes: int
    """Most passes that any region took."""
    hole_ratio: float
    """The hole's share of the picture, 0 to 1."""
    model_version: str
    """Of the model that filled it."""
    queue_ms: float
    """Time spent waiting for the model."""
    model_ms: float
    """Time spent in the model."""
    request_id: str
    """What the endpoint's logs call the request."""


def read(response: httpx.Response, parse: Callable[[httpx.Response], Read]) -> Read:
    """Parse an answer whose body has been read; raise `InpaintError` for any but a good one."""
    if response.status_code != 200:
        raise from_response(response)
    try:
        return parse(response)
    except (KeyError, TypeError, ValueError) as error:
        raise InpaintError(
            f"{address(response.url)} answered what no inpainting endpoint does; is it the right "
            "address?",
            status=response.status_code,
        ) from error


def parse_json(response: httpx.Response) -> dict[str, Any]:
    """Parse a JSON object."""
    return dict(response.json())


def parse_filled(response: httpx.Response) -> Filled:
    """Parse a picture whose facts stand in the headers."""
    headers = response.headers
    return Filled(
        data=response.content,
        media_type=headers["Content-Type"].partition(";")[0],
        passes=int(headers["X-Passes"]),
        hole_ratio=float(headers["X-Hole-Ratio"]),
        model_version=headers["X-Model-Version"],
        queue_ms=float(headers["X-Queue-Ms"]),
        model_ms=float(headers["X-Model-Ms"]),
        request_id=headers["X-Request-Id"],
    )


class Delivery:
    """The events of one call, over all the streams that it takes to have them.

    A stream that broke is asked for again and begins with the first pass; the passes that were
    delivered are left out then.
    """

    def __init__(self) -> None:
        self.finished = False
        self._delivered: set[tuple[int, int]] = set()
        self._request_id = ""
        self._pieces = _Pieces()

    def begin(self, response: httpx.Response) -> None:
        """Start on a stream; raise `InpaintError` for an answer that is none."""
        self._request_id = read(response, _stream_id)
        self._pieces = _Pieces()

    def take(self, piece: bytes) -> Iterator[PassEvent | Filled]:
        """Yield what a piece of the stream completes; raise the `InpaintError` that it tells."""
        for name, data in self._pieces.events(piece):
            try:
                event = self._event(name, json.loads(data))
            except (KeyError, TypeError, ValueError) as error:
                raise InpaintError(f"the endpoint sent a {name!r} without sense") from error
            if event:
                yield event

    def end(self) -> None:
        """Raise `InpaintError` if the stream ended without a result."""
        if not self.finished:
            raise InpaintError("the stream ended before the filled picture came", code="broken")

    def _event(self, name: str, fields: dict[str, Any]) -> PassEvent | Filled | None:
        if name == "error":
            raise from_body(fields)
        if name == "result":
            self.finished = True
            return _filled(fields, self._request_id)
        if name != "pass" or (fields["region"], fields["pass"]) in self._delivered:
            return None
        self._delivered.add((fields["region"], fields["pass"]))
        return _pass(fields)


def _stream_id(response: httpx.Response) -> str:
    if not response.headers["Content-Type"].startswith("text/event-stream"):
        raise ValueError("not a stream")
    return str(response.headers["X-Request-Id"])


def _filled(fields: dict[str, Any], request_id: str) -> Filled:
    return Filled(
        **_picture(fields["image"]),
        passes=fields["passes"],
        hole_ratio=fields["hole_ratio"],
        model_version=fields["model_version"],
        queue_ms=fields["queue_ms"],
        model_ms=fields["model_ms"],
        request_id=request_id,
    )


def _pass(fields: dict[str, Any]) -> PassEvent:
    return PassEvent(
        **_picture(fields["image"]),
        number=fields["pass"],
        region=fields["region"],
        regions=fields["regions"],
        hole_ratio=fields["hole_ratio"],
    )


def _picture(url: str) -> dict[str, Any]:
    """Take a `data:` URL apart."""
    head, _, body = url.partition(",")
    media_type = head.removeprefix("data:").partition(";")[0]
    return {"data": base64.b64decode(body, validate=True), "media_type": media_type}


class _Pieces:
    """Puts server-sent events together from pieces of a stream, which end anywhere."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._name = ""
        self._data: list[str] = []

    def events(self, piece: bytes) -> Iterator[tuple[str, str]]:
        """Yield name and data of each event that a piece completes."""
        *ends, rest = piece.split(b"\n")
        for end in ends:
            line = b"".join([*self._line, end]).removesuffix(b"\r").decode()
            self._line = []
            if line:
                self._read(line)
            elif self._data:
                yield self._name, "\n".join(self._data)
                self._name, self._data = "", []
        self._line.append(rest)

    def _read(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
