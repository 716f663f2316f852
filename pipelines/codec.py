"""Encoded pictures in, pictures that can be edited, and encoded pictures out "as they came".

The answer has the stored size, format, orientation, profile, alpha, depth and metadata of what
was sent, and in formats without loss exactly its pixels wherever they were not edited.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from isnet.canvas import Picture, size_of
from isnet.images import encode_jpeg, to_rgb
from pipelines.coding.errors import CodecError
from pipelines.coding.metadata import Metadata, read_metadata
from pipelines.coding.orientation import orientation_of, turned_back
from pipelines.coding.png16 import is_deep_colour
from pipelines.coding.reading import deep, explained, opened, shown
from pipelines.coding.tiff import is_unwritable
from pipelines.coding.writing import LONGEST_SIDE, MODES, mode_of, plain, write

__all__ = [
    "CodecError",
    "Encoded",
    "Format",
    "Upload",
    "count_pixels",
    "displayed_size",
    "encode",
    "preview",
    "read_mask",
    "read_upload",
]

Format = Literal["same", "png", "jpeg", "webp", "tiff"]

PREVIEW_SIDE = 1600
"""Longest side of a preview, in pixels."""

_ANY = sys.maxsize
"""No limit on pixels, where none is decoded."""

_SIDEWAYS = (5, 6, 7, 8)
"""Orientations of EXIF that turn a picture by a quarter."""

_CHOICES = ("png", "jpeg", "webp", "tiff")


@dataclass(frozen=True)
class Upload:
    """A picture as it came."""

    picture: Image.Image | np.ndarray
    """In display orientation, with no orientation left to apply: in the file's own mode, with
    `transparency` and `icc_profile` as the only info; or, where a PNG has 16 bits per channel and
    colour or alpha, uint16 (H, W, 3), RGB, or (H, W, 4), RGBA, in [0, 65535]. Grey with alpha is
    RGBA then too."""

    format: str
    """One of `isnet.images.FORMATS`."""

    metadata: Metadata
    """What is needed to write it back."""


@dataclass(frozen=True)
class Encoded:
    """A file."""

    data: bytes
    """Its bytes."""

    media_type: str
    """Its format, as HTTP names it."""


def read_upload(data: bytes, *, max_pixels: int, name: str = "image") -> Upload:
    """Read a picture so that `encode` can write it back as it came.

    Args:
        data: a file's bytes. Of a phone's JPEG with further pictures (MPO), the first is read.
        max_pixels: limit on width x height, checked before pixels are decoded. Above twice
            `PIL.Image.MAX_IMAGE_PIXELS` Pillow refuses first.
        name: what to call the picture in messages.

    Raises:
        CodecError: the picture cannot be read; nothing else is raised, whatever the bytes.

    """
    with explained(data, max_pixels, name), opened(data, max_pixels) as file:
        if not isinstance(file, TiffImageFile):
            file.load()
        elif is_unwritable(file):
            raise CodecError(
                "unsupported_format",
                "a TIFF with 12 bits, or more than 8 in each of several channels, cannot be read "
                "without loss; save it as 16-bit PNG",
            )
        metadata = read_metadata(file, data)
        form = "JPEG" if file.format == "MPO" else str(file.format)
        if form == "PNG" and is_deep_colour(data):
            return Upload(deep(file, data, metadata.orientation), form, metadata)
        return Upload(shown(file, data, metadata.orientation), form, metadata)


def count_pixels(data: bytes, *, max_pixels: int) -> int:
    """Read width x height from a picture's header; raises as `read_upload`, and decodes nothing."""
    with explained(data, max_pixels, "image"), opened(data, max_pixels) as file:
        return file.width * file.height


def displayed_size(data: bytes) -> tuple[int, int]:
    """Read height and width in display orientation from the first bytes of a picture, or all.

    Raises:
        CodecError: the header is not in these bytes, or is none.

    """
    with explained(data, _ANY, "image"), opened(data, _ANY) as file:
        turned = orientation_of(file) in _SIDEWAYS
        return (file.width, file.height) if turned else (file.height, file.width)


def read_mask(data: bytes, *, max_pixels: int) -> Image.Image:
    """Read a mask: any format and mode, in display orientation, else as `read_upload`.

    More than 8 bits per channel are read as 8, but for grey.
    """
    with explained(data, max_pixels, "mask"), opened(data, max_pixels) as file:
        if not isinstance(file, TiffImageFile):
            file.load()
        return shown(file, data, orientation_of(file))


def encode(
    upload: Upload, result: Image.Image | np.ndarray, *, format: Format = "same", quality: int = 95
) -> Encoded:
    """Write an edited picture back as it came.

    Args:
        upload: what `read_upload` returned.
        result: the edited picture: `upload.picture`'s size in display orientation, and its kind,
            Pillow's or array. Palettes and transparent colours may have become RGB, RGBA or LA.
        format: `same` is the format it came in, or, where that cannot hold the result, PNG, else
            TIFF. GIF, which has no room for new colours, always becomes PNG.
        quality: 1 to 100, of JPEG and of WebP; a lossless WebP stays lossless.

    Raises:
        CodecError: `invalid_option`, a format that would lose depth, alpha or colour space or is
            too small for the picture, or a quality out of range.

    """
    if not 1 <= quality <= 100:
        raise CodecError("invalid_option", f"quality {quality}; choose 1 to 100")
    pixels = plain(result)
    assert size_of(pixels) == size_of(upload.picture), "the result is of another size"
    stored = turned_back(pixels, upload.metadata.orientation)
    target = _target(upload.format, stored, format)
    same = target == upload.format
    data = write(stored, target, upload.metadata, same=same, quality=quality)
    return Encoded(data, f"image/{target.lower()}")


def preview(result: Picture, *, side: int = PREVIEW_SIDE) -> bytes:
    """Encode a picture to be looked at: as JPEG, `side` pixels long at most, without alpha."""
    # Every n-th pixel first: of a large picture there is no second copy at full size.
    step = max(1, max(size_of(result)) // (2 * side))
    if isinstance(result, Image.Image):
        size = max(1, result.width // step), max(1, result.height // step)
        picture = Image.fromarray(to_rgb(result.resize(size, Image.Resampling.NEAREST)))
    else:
        picture = Image.fromarray((result[::step, ::step, :3] >> 8).astype(np.uint8))
    picture.thumbnail((side, side))
    return encode_jpeg(np.asarray(picture), quality=85)


def _target(came: str, pixels: Image.Image | np.ndarray, asked: str) -> str:
    """Find the format to write, a key of `MODES`."""
    mode = mode_of(pixels)
    if asked == "same":
        return next(form for form in (came, "PNG", "TIFF") if mode in MODES.get(form, ()))
    able = [choice for choice in _CHOICES if mode in MODES[choice.upper()]]
    if asked not in able:
        raise CodecError(
            "invalid_option",
            f"format {asked} is not one that holds mode {mode}, the picture's; "
            f"choose {', '.join(able)} or same",
        )
    longest = max(size_of(pixels))
    limit = LONGEST_SIDE.get(asked.upper(), longest)
    if longest > limit:
        raise CodecError(
            "invalid_option",
            f"format {asked} holds sides of {limit:,} pixels at most, the picture has {longest:,}; "
            "choose png or same",
        )
    return asked.upper()
