"""What is sent to the endpoint."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypedDict

from PIL import Image

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image
"""A path, the bytes of a file, an open binary file, or a picture, which is sent as PNG."""


class Options(TypedDict, total=False):
    """How a hole is to be filled; the endpoint chooses what is left out or None."""

    strategy: Literal["original", "crop", "resize"] | None
    """What the network sees: the picture, windows round the holes, or the picture made small."""
    passes: int | None
    """Most passes of the reconstruction, 1 to 11."""
    threshold: float | None
    """Hole ratio below which the reconstruction stops, 0 to 1."""
    mask_polarity: Literal["white-hole", "black-hole"] | None
    """Which pixels of the mask are to be filled."""
    format: Literal["same", "png", "jpeg", "webp", "tiff"] | None
    """File format of the answer."""
    quality: int | None
    """Of a lossy format, 1 to 100."""


def form(image: Source, mask: Source, options: Options) -> dict[str, Any]:
    """Build the multipart body, as `httpx` takes it; it can be sent any number of times.

    Raises:
        OSError: a path that cannot be read.
        ValueError: a picture that PNG cannot hold.

    """
    fields = {name: str(value) for name, value in options.items() if value is not None}
    files = {"image": ("image", _encode(image)), "mask": ("mask", _encode(mask))}
    return {"data": fields, "files": files}


def _encode(source: Source) -> bytes:
    if isinstance(source, Image.Image):
        return _as_png(source)
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    return source if isinstance(source, bytes) else source.read()


def _as_png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    try:
        # Pillow keeps a colour profile by itself, but an orientation only when told.
        image.save(file, "PNG", compress_level=1, exif=image.getexif())
    except OSError as error:
        raise ValueError(
            f"a picture of mode {image.mode} cannot be sent as PNG; convert it, for instance to "
            "RGB, or give its file"
        ) from error
    return file.getvalue()
