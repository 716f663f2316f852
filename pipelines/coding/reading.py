"""Files to pictures: opened safely, in display orientation, and every failure explained."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from isnet.images import FORMATS
from pipelines.coding.containers import png_chunk
from pipelines.coding.errors import CodecError
from pipelines.coding.orientation import turned
from pipelines.coding.png16 import read_deep_colour

_SCAN = b"\xff\xda"
"""How a scan of a JPEG begins; within its data these bytes cannot follow one another."""

_MOST_SCANS = 100
"""Progressive files have ten or so. An empty one takes 55 bytes, and a pass over all pixels."""


@contextmanager
def explained(data: bytes, max_pixels: int, name: str) -> Iterator[None]:
    """Turn whatever is raised into one `CodecError` whose sentence begins with a name."""
    try:
        yield
    except CodecError as error:
        raise CodecError(error.code, f"{name}: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        text = f"{error} The limit here is {max_pixels:,}; send a smaller one"
        raise CodecError("too_many_pixels", f"{name}: {text}") from error
    except UnidentifiedImageError as error:
        found = _unidentified(data)
        raise CodecError(found.code, f"{name}: {found}") from error
    except Exception as error:  # damaged files make parsers raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        text = f"cannot be decoded ({reason}); save it again and send that"
        raise CodecError("undecodable", f"{name}: {text}") from error


def _unidentified(data: bytes) -> CodecError:
    """Say why Pillow took bytes for no picture at all."""
    for form in FORMATS:
        _, accept = Image.OPEN[form]
        if accept and accept(data[:16]):
            text = f"a damaged {form}, or of a kind that is not read; save it as 8-bit PNG"
            return CodecError("undecodable", text)
    text = f"begins with {data[:8]!r}, as none of the formats that are read does"
    fix = f"save it as one of {', '.join(FORMATS)}"
    return CodecError("unsupported_format", f"{text}; {fix}")


@contextmanager
def opened(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    """Open a single picture of no more than `max_pixels`; no pixel of it is decoded."""
    if not data:
        raise CodecError("undecodable", "empty, 0 bytes; send the picture's file")
    with Image.open(io.BytesIO(data), formats=FORMATS) as file:
        if file.width * file.height > max_pixels:
            size = f"{file.width}x{file.height} = {file.width * file.height:,} pixels"
            text = f"{size}; the limit is {max_pixels:,}; send a smaller one"
            raise CodecError("too_many_pixels", text)
        if file.format in ("JPEG", "MPO") and data.count(_SCAN) > _MOST_SCANS:
            text = f"a JPEG of more than {_MOST_SCANS} scans; save it again and send that"
            raise CodecError("undecodable", text)
        if file.format != "MPO" and getattr(file, "is_animated", False):
            raise CodecError("animated", f"has {_frames(file)}; send a single picture")
        yield file


def _frames(file: Image.Image) -> str:
    """Count frames where the header says how many; of GIF and TIFF all would have to be read."""
    count = getattr(file, "n_frames", 0) if file.format in ("PNG", "WEBP") else 0
    return f"{count} frames" if count else "more than one frame"


def shown(file: Image.Image, data: bytes, orientation: int) -> Image.Image:
    """Decode and copy a picture as it is displayed, with `transparency` and profile at most."""
    file.load()
    # Pillow turns TIFF by itself, while it decodes.
    upright = file if isinstance(file, TiffImageFile) else turned(file, orientation)
    picture = upright.copy()
    info = {"transparency": _transparency(file, data), "icc_profile": _profile(file)}
    picture.info = {key: value for key, value in info.items() if value is not None}
    return picture


def _profile(file: Image.Image) -> bytes | None:
    found = file.info.get("icc_profile")
    return found if isinstance(found, bytes) else None


def _transparency(file: Image.Image, data: bytes) -> Any:
    """Find the transparent colour or entries of the palette; text of a PNG may pose as them."""
    found = file.info.get("transparency")
    kinds: dict[str, type | tuple[type, ...]] = {"P": (int, bytes), "RGB": tuple}
    if not isinstance(found, kinds.get(file.mode, int)):
        return None
    header = png_chunk(data, b"IHDR") if file.format == "PNG" and file.mode == "L" else None
    if header and header[8] < 8:  # Pillow scales levels of 2 and 4 bits to 8, but not this one
        return found * (255 // (2 ** header[8] - 1))
    return found


def deep(file: Image.Image, data: bytes, orientation: int) -> np.ndarray:
    """Decode a PNG for which `is_deep_colour` holds, as `shown` does others, into an array."""
    levels = read_deep_colour(data)
    if levels.shape[:2] != (file.height, file.width):
        raise ValueError("its parts are of different sizes")
    return turned(levels, orientation)
