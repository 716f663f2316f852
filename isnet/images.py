"""Pictures: open files safely, any PIL mode to RGB, squares, JPEG, uint8 <-> float."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from isnet.config import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
"""Formats that are opened. Every further parser is a door to hostile files."""

MAX_PIXELS = 80_000_000
"""Pixels (width x height) that a picture may have by default, under Pillow's own limit."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are outside."""


class ImageError(InputError):
    """A picture that cannot be read; the message is one line that says why."""


def open_image(
    source: bytes | str | Path | BinaryIO, *, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Read a picture completely and turn it to its display orientation.

    Args:
        source: encoded bytes, a path, or a binary file; of an animation, the first frame is read.
        max_pixels: limit on width x height, checked before the pixels are decoded. Above twice
            `PIL.Image.MAX_IMAGE_PIXELS` Pillow refuses first.

    Returns:
        the decoded picture in the file's own mode, with no orientation left to apply.

    Raises:
        ImageError: missing, unreadable, of another format, truncated or too large.

    """
    name = getattr(source, "name", "") if not isinstance(source, str | bytes) else source
    prefix = f"{name}: " if isinstance(name, str) and name else ""
    try:
        return _decode(io.BytesIO(source) if isinstance(source, bytes) else source, max_pixels)
    except Exception as error:  # damaged files make Pillow's parsers raise nearly anything
        raise ImageError(prefix + _reason(error, max_pixels)) from error


def _decode(source: str | Path | BinaryIO, max_pixels: int) -> Image.Image:
    with Image.open(source, formats=FORMATS) as picture:
        if picture.width * picture.height > max_pixels:
            size = f"{picture.width}x{picture.height} = {picture.width * picture.height:,} pixels"
            raise ImageError(f"too large: {size}; the limit is {max_pixels:,}")
        picture.load()
        return upright(picture)


def _reason(error: Exception, max_pixels: int) -> str:
    """Say in one line why a picture could not be read."""
    text = " ".join(str(error).split())
    if isinstance(error, ImageError):
        return text
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too large: {text}; the limit here is {max_pixels:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return f"not a picture in a format that is read ({', '.join(FORMATS)})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"cannot be decoded: {text or type(error).__name__}"


def upright(image: Image.Image) -> Image.Image:
    """Copy a picture into its display orientation; no orientation is left to apply."""
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, TypeError, KeyError, OSError):
        # Unreadable EXIF says nothing about orientation; the pixels are good, as browsers hold.
        plain = image.copy()
        plain.info.pop("exif", None)
        return plain


def is_deep(mode: str) -> bool:
    """Whether a mode is grey of more than 8 bits: I, the I;16 family and F."""
    return mode == "F" or mode.split(";")[0] == "I"


def full_scale(mode: str, levels: np.ndarray) -> float:
    """Find the level that means white in a deep grey picture.

    I;16 always means 65535. I and F do not say, so the largest level decides: 1 (F only), 255
    or 65535.

    Args:
        mode: PIL mode for which `is_deep` holds.
        levels: the pixels to judge by, any shape.

    Raises:
        InputError: levels that are negative, above 65535 or not finite.

    """
    low, high = float(levels.min(initial=0)), float(levels.max(initial=0))
    if not 0 <= low <= high <= 65535:
        raise InputError(
            f"image mode {mode} with levels from {low:g} to {high:g}; rescale them to 0..65535"
        )
    if mode.startswith("I;16") or high > 255:
        return 65535.0
    return 1.0 if mode == "F" and high <= 1 else 255.0


def to_rgb(image: Image.Image) -> np.ndarray:
    """Turn a picture of any mode into RGB.

    Alpha is dropped, not blended; premultiplied colours are divided by it first. Deep grey is
    scaled by `full_scale` and rounded. No colour profile is applied.

    Args:
        image: any PIL mode, used in the orientation of its pixels.

    Returns:
        uint8 (H, W, 3), values in [0, 255], not shared with the picture.

    Raises:
        InputError: a mode without a conversion, or I and F levels out of range.

    """
    if is_deep(image.mode):
        levels = np.asarray(image).astype(np.float64)
        grey = np.rint(levels * (255 / full_scale(image.mode, levels))).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)
    if image.mode == "P" and image.has_transparency_data:
        straight = "RGBA"
    try:
        return np.array((image.convert(straight) if straight else image).convert("RGB"))
    except ValueError as error:
        raise InputError(
            f"image mode {image.mode} has no conversion to RGB; save the picture as RGB first"
        ) from error


def to_tensor(rgb: np.ndarray) -> Tensor:
    """Turn uint8 (..., H, W, 3) into float32 (..., 3, H, W) in [0, 1]; `to_uint8` undoes it."""
    return torch.from_numpy(np.moveaxis(rgb, -1, -3).copy()).to(torch.float32) / 255


def to_uint8(image: Tensor) -> np.ndarray:
    """Round float (..., 3, H, W) in [0, 1] to uint8 (..., H, W, 3), clipping what is outside."""
    levels = (image.detach() * 255).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(np.moveaxis(levels.cpu().numpy(), -3, -1))


def centre_square(image: Image.Image) -> Box:
    """Find the largest square in the middle of a picture."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return left, top, left + side, top + side


def square_crop(image: Image.Image, *, box: Box, size: int) -> np.ndarray:
    """Cut `box` out of a picture of any mode and resize it (Lanczos, antialiased).

    Returns:
        uint8 (size, size, 3), RGB.

    """
    picture = image if image.mode == "RGB" else Image.fromarray(to_rgb(image))
    # Cropped first, so that nothing outside the box bleeds in at its border.
    crop = picture.crop(box).resize((size, size), Image.Resampling.LANCZOS)
    return np.array(crop)


def scaled(picture: Image.Image, size: int) -> Image.Image:
    """Bring a square RGB picture to a side of `size` pixels (Lanczos); 0 leaves it as it is."""
    if size in (0, picture.width):
        return picture
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def encode_jpeg(rgb: np.ndarray, *, quality: int = 95) -> bytes:
    """Encode uint8 (H, W, 3) as JPEG with full colour resolution."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
