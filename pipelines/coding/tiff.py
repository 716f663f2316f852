"""TIFF: its tags in and out. What other formats hold as one EXIF block is spread over its tags."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

_BITS_PER_SAMPLE, _COMPRESSION_PREDICTOR, _PHOTOMETRIC, _SAMPLES_PER_PIXEL = 258, 317, 262, 277
_XMP, _IPTC, _PHOTOSHOP = 700, 33723, 34377

_TEXTS = (
    Base.ImageDescription, Base.Make, Base.Model, Base.Software,
    Base.DateTime, Base.Artist, Base.Copyright,
)  # fmt: skip
"""Tags of EXIF's first directory that describe the picture; the others describe the file."""

_WITH_PREDICTOR = ("tiff_lzw", "tiff_adobe_deflate", "lzma", "zstd")
_LOSSLESS = ("raw", "packbits", "tiff_deflate", *_WITH_PREDICTOR)
_BILEVEL = ("tiff_ccitt", "group3", "group4")
DEFLATE = "tiff_adobe_deflate"


def is_unwritable(picture: TiffImageFile) -> bool:
    """Whether Pillow reads less than is stored: 16-bit colour with 8, 12-bit grey as if 16-bit."""
    bits = picture.tag_v2.get(_BITS_PER_SAMPLE, (1,))
    colour = picture.tag_v2.get(_SAMPLES_PER_PIXEL, 1) > 1
    return 12 in bits or (colour and max(bits) > 8)


def options_of(picture: TiffImageFile) -> dict[str, Any]:
    """Read how a TIFF is stored: what `write_tiff` takes as `compression` and `tags`."""
    compression = picture.info["compression"]
    tags: dict[int, Any] = {}
    for tag in (_IPTC, _PHOTOSHOP):
        if isinstance(block := picture.tag_v2.get(tag), bytes):
            tags[tag] = block
    if compression in _WITH_PREDICTOR and picture.tag_v2.get(_COMPRESSION_PREDICTOR) in (2, 3):
        tags[_COMPRESSION_PREDICTOR] = picture.tag_v2[_COMPRESSION_PREDICTOR]
    if picture.mode.startswith(("I;16", "F")) and picture.tag_v2.get(_PHOTOMETRIC) == 0:
        tags[_PHOTOMETRIC] = 0  # 0 is white: Pillow turns other modes over, not these
    return {"compression": compression, "tags": tags}


class _Text(str):
    """Text of EXIF, which Pillow decodes as Latin-1, whatever it is, but would encode as ASCII."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        """Return the bytes that were read, whichever encoding is asked for."""
        return super().encode("latin-1")


def plain_exif(exif: Image.Exif, orientation: int) -> bytes:
    """Make an EXIF block of what describes the picture, with Pillow's own types of values.

    Where it is damaged, only the orientation is left.
    """
    plain = Image.Exif()
    if orientation != 1:
        plain[Base.Orientation] = orientation
    bare = plain.tobytes()
    try:
        plain.update(_texts(exif))
        plain.update(_directories(exif))
        return plain.tobytes()
    except Exception:  # noqa: BLE001 (damaged EXIF raises nearly anything; the pixels are good)
        return bare


def _texts(exif: Image.Exif) -> dict[int, _Text]:
    return {tag: _Text(exif[tag]) for tag in _TEXTS if isinstance(exif.get(tag), str)}


def _directories(exif: Image.Exif) -> dict[int, dict[int, Any]]:
    """Find the directories below the first: of the exposure, and of the place."""
    found = {int(tag): dict(exif.get_ifd(tag)) for tag in (IFD.Exif, IFD.GPSInfo)}
    if IFD.Interop in found[IFD.Exif]:
        found[IFD.Exif][IFD.Interop] = dict(exif.get_ifd(IFD.Interop))
    return {tag: _spelled(directory) for tag, directory in found.items() if directory}


def _spelled(directory: dict[int, Any]) -> dict[int, Any]:
    return {
        tag: _Text(value) if isinstance(value, str) else value for tag, value in directory.items()
    }


def write_tiff(
    picture: Image.Image,
    *,
    compression: str = DEFLATE,
    tags: dict[int, Any] | None = None,
    exif: bytes = b"",
    xmp: bytes = b"",
    **options: Any,
) -> bytes:
    """Encode a picture without loss.

    Args:
        picture: any mode that Pillow writes as TIFF.
        compression: as Pillow names it; deflate takes the place of one that loses.
        tags: further tags, see `options_of`.
        exif: a block that `plain_exif` made.
        xmp: XMP packet.
        options: Pillow's other options.

    """
    if compression not in (*_LOSSLESS, *(_BILEVEL if picture.mode == "1" else ())):
        compression = DEFLATE
    said = Image.Exif()
    said.load(exif)
    info = ImageFileDirectory_v2()
    info.update(tags or {})
    info.update(_texts(said))
    if xmp:
        info[_XMP] = xmp
    if Base.Orientation in said:
        info[Base.Orientation] = said[Base.Orientation]
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF", compression=compression, tiffinfo=info, **options)
    return _with_directories(buffer.getvalue(), _directories(said))


def _with_directories(tiff: bytes, directories: dict[int, dict[int, Any]]) -> bytes:
    """Append directories to a TIFF of one picture: Pillow writes them without compression only.

    The first directory is written anew behind them, with its old entries and theirs.
    """
    if not directories:
        return tiff
    order = "<" if tiff.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    entries = [tiff[start + 2 + 12 * i : start + 14 + 12 * i] for i in range(count)]
    body = tiff + bytes(len(tiff) % 2)
    for tag, values in directories.items():
        entries.append(struct.pack(f"{order}HHII", tag, 4, 1, len(body)))
        directory = ImageFileDirectory_v2(tiff[:8], group=tag)
        for key, value in values.items():
            directory[key] = value
        body += directory.tobytes(len(body))
        body += bytes(len(body) % 2)
    entries.sort(key=lambda entry: struct.unpack_from(f"{order}H", entry))
    first = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    return body[:4] + struct.pack(f"{order}I", len(body)) + body[8:] + first
