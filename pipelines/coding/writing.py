"""Pictures to files: which format holds which mode, and one writer per format."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.coding.containers import with_jpeg_segments, with_png_chunks
from pipelines.coding.metadata import Metadata
from pipelines.coding.png16 import write_deep_colour
from pipelines.coding.tiff import write_tiff

_GREY = ("1", "L", "LA")
_DEEP = ("16-bit RGB", "16-bit RGBA")

MODES: dict[str, tuple[str, ...]] = {
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
    "PNG": (*_GREY, "I;16", "I;16B", "RGB", "RGBA", *_DEEP),
    "WEBP": (*_GREY, "RGB", "RGBA"),
    "TIFF": (*_GREY, "I;16", "I;16B", "I", "F", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"),
    "BMP": ("1", "L", "RGB", "RGBA"),
}
"""Modes, as `mode_of` names them, that each format written holds: depth, alpha and colour space."""

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""Pixels that a side may have in a format."""


def mode_of(pixels: Image.Image | np.ndarray) -> str:
    """Name a picture's mode, or what a deep array (H, W, 3|4) is."""
    return pixels.mode if isinstance(pixels, Image.Image) else _DEEP[pixels.shape[2] - 3]


def plain(pixels: Image.Image | np.ndarray) -> Image.Image | np.ndarray:
    """Copy a picture into a mode that formats hold, with nothing attached that would be written.

    Palettes and transparent colours become colours and alpha, premultiplied alpha straight.
    """
    if not isinstance(pixels, Image.Image):
        return pixels
    mode = {"La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}.get(pixels.mode, pixels.mode)
    if mode in ("P", "PA"):
        mode = "RGBA" if pixels.has_transparency_data else "RGB"
    elif mode in ("1", "L", "RGB") and "transparency" in pixels.info:
        mode = "RGBA" if mode == "RGB" else "LA"
    picture = pixels.copy() if mode == pixels.mode else pixels.convert(mode)
    picture.info = {}
    return picture


def write(
    pixels: Image.Image | np.ndarray, form: str, metadata: Metadata, *, same: bool, quality: int
) -> bytes:
    """Encode a picture in its stored orientation.

    Args:
        pixels: of a mode that `form` holds, as `plain` returns it.
        form: a key of `MODES`.
        metadata: what the file that the picture came in said.
        same: whether that was of the same format.
        quality: 1 to 100, of formats that lose.

    """
    if not isinstance(pixels, Image.Image):
        return with_png_chunks(write_deep_colour(pixels), metadata.native)
    return _WRITERS[form](pixels, metadata, same, quality)


def _jpeg(picture: Image.Image, metadata: Metadata, same: bool, quality: int) -> bytes:
    if same:
        options = {**metadata.options, "quality": quality}
        try:
            data = _saved(picture, "JPEG", **options)
        except OSError:  # Pillow's buffer is too small for noise, if the picture is progressive
            data = _saved(picture, "JPEG", **{**options, "progressive": False})
        return with_jpeg_segments(data, metadata.native)
    said = metadata.portable("JPEG", picture.mode)
    return _saved(picture, "JPEG", quality=quality, subsampling=0, **said)


def _png(picture: Image.Image, metadata: Metadata, same: bool, _quality: int) -> bytes:
    if picture.mode == "I;16B":
        picture = Image.fromarray(np.asarray(picture).astype("<u2"))
    if same:
        return with_png_chunks(_saved(picture, "PNG"), metadata.native)
    said = metadata.portable("PNG", picture.mode)
    if xmp := said.pop("xmp", None):
        said["pnginfo"] = PngInfo()
        said["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    return _saved(picture, "PNG", **said)


def _webp(picture: Image.Image, metadata: Metadata, same: bool, quality: int) -> bytes:
    said = metadata.portable("WEBP", picture.mode)
    if same and metadata.options["lossless"]:
        # exact: colours under transparent pixels are pixels too
        return _saved(picture, "WEBP", lossless=True, exact=True, **said)
    return _saved(picture, "WEBP", quality=quality, **said)


def _tiff(picture: Image.Image, metadata: Metadata, same: bool, _quality: int) -> bytes:
    options = metadata.options if same else {}
    return write_tiff(picture, **options, **metadata.portable("TIFF", picture.mode))


def _bmp(picture: Image.Image, metadata: Metadata, _same: bool, _quality: int) -> bytes:
    if picture.mode == "RGBA":  # Pillow's header says nothing of the alpha, OpenCV's does
        _, data = cv2.imencode(".bmp", np.asarray(picture)[..., [2, 1, 0, 3]])
        return bytes(data)
    return _saved(picture, "BMP", **({"dpi": metadata.dpi} if metadata.dpi else {}))


_WRITERS: dict[str, Callable[[Image.Image, Metadata, bool, int], bytes]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _bmp,
}


def _saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
