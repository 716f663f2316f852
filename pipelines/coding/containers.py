"""Files as their parts: PNG chunks, JPEG segments, RIFF chunks, and what of them is carried over.

What a file says beside its pixels is carried over byte for byte, so that nothing of it needs to
be understood, and so that damaged parts come back as they were too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

_PNG_START = 8 + 25
"""Bytes of a PNG's signature and its first chunk, IHDR."""

_PNG_KEPT = frozenset(
    b"iCCP gAMA cHRM sRGB cICP mDCV cLLI pHYs eXIf tEXt zTXt iTXt".split()
)  # fmt: skip
"""Chunks that hold for new pixels and for any colour type, and that may stand before PLTE."""

_JPEG_KEPT = (
    ("APP0", b"JFIF\0"),
    ("APP1", b"Exif\0\0"),
    ("APP1", b"http://ns.adobe.com/xap/1.0/\0"),
    ("APP1", b"http://ns.adobe.com/xmp/extension/\0"),
    ("APP2", b"ICC_PROFILE\0"),
    ("APP13", b"Photoshop 3.0\0"),
    ("COM", b""),
)
"""Segments that hold for new pixels, by name and beginning. Not among them: the index of further
pictures in the file (MPF), which do not come back, and signatures of the old pixels (C2PA)."""


def png_chunks(png: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the type and the body of each whole chunk, up to and with IEND."""
    view = memoryview(png)
    position, kind = 8, b""
    while position + 12 <= len(png) and kind != b"IEND":
        (length,) = struct.unpack_from(">I", png, position)
        kind = png[position + 4 : position + 8]
        yield kind, view[position + 8 : position + 8 + length]
        position += 12 + length


def png_chunk(png: bytes, kind: bytes) -> bytes | None:
    """Find the body of the first chunk of a type."""
    return next((bytes(body) for found, body in png_chunks(png) if found == kind), None)


def kept_of_png(png: bytes) -> bytes:
    """Collect what `with_png_chunks` puts into another PNG."""
    kept = ((kind, bytes(body)) for kind, body in png_chunks(png) if kind in _PNG_KEPT)
    return b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in kept
    )


def with_png_chunks(png: bytes, chunks: bytes) -> bytes:
    """Put whole chunks behind the header of a PNG."""
    return png[:_PNG_START] + chunks + png[_PNG_START:]


def kept_of_jpeg(segments: Iterable[tuple[str, bytes]]) -> bytes:
    """Collect what `with_jpeg_segments` puts into another JPEG.

    Args:
        segments: names (`APP0`...`APP15`, `COM`) and contents, as Pillow's `applist` has them.

    """
    kept = [
        (0xFE if name == "COM" else 0xE0 + int(name[3:]), body)
        for name, body in segments
        if any(name == kind and body.startswith(start) for kind, start in _JPEG_KEPT)
    ]
    return b"".join(struct.pack(">BBH", 0xFF, code, len(body) + 2) + body for code, body in kept)


def with_jpeg_segments(jpeg: bytes, segments: bytes) -> bytes:
    """Put whole segments at the start of a JPEG, in place of the JFIF header that is there."""
    end = 2
    if jpeg[2:4] == b"\xff\xe0":
        end += 2 + struct.unpack_from(">H", jpeg, 4)[0]
    return jpeg[:2] + segments + jpeg[end:]


def is_lossless_webp(webp: bytes) -> bool:
    """Whether the picture's pixels are stored without loss (a VP8L chunk)."""
    return b"VP8L" in _riff_kinds(webp, 12, len(webp))


def _riff_kinds(riff: bytes, position: int, end: int) -> Iterator[bytes]:
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", riff, position)
        yield kind
        if kind == b"ANMF":  # a frame, here of an animation of one: 16 bytes, then chunks
            yield from _riff_kinds(riff, position + 24, min(position + 8 + length, end))
        position += 8 + length + length % 2
