"""Holes that a picture carries itself: where it is transparent, or of one colour."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from isnet.canvas import Picture, size_of
from isnet.config import InputError
from isnet.images import is_deep, to_rgb

_DEEP_LEVELS = 257
"""16-bit levels to an 8-bit level: 65535 / 255."""


def hole_from_alpha(picture: Picture) -> np.ndarray:
    """Find the hole in a picture's alpha, or in the colour that it declares transparent.

    Args:
        picture: PIL picture of any mode, or uint16 (H, W, 4).

    Returns:
        bool (H, W), True where alpha is below half of full scale.

    Raises:
        InputError: a picture that has neither.

    """
    picture = _with_alpha(picture)
    if isinstance(picture, np.ndarray):
        return picture[..., 3] < 2**15
    if is_deep(picture.mode):
        return np.asarray(np.asarray(picture) == picture.info["transparency"])
    return np.asarray(picture.getchannel("A")) < 2**7


def opaque(picture: Picture, hole: np.ndarray) -> Picture:
    """Copy a picture with alpha at full in the hole, so that what is filled in can be seen.

    Args:
        picture: as `hole_from_alpha` takes it.
        hole: bool (H, W), True = missing.

    Returns:
        The picture in a mode with straight alpha: LA, RGBA, or uint16 (H, W, 4). Deep grey with a
        transparent level becomes opaque altogether.

    Raises:
        InputError: a picture without alpha.

    """
    picture = _with_alpha(picture)
    if isinstance(picture, np.ndarray):
        picture = picture.copy()
        picture[..., 3][hole] = 2**16 - 1
        return picture
    picture = picture.copy()
    if is_deep(picture.mode):
        del picture.info["transparency"]
        return picture
    alpha = np.array(picture.getchannel("A"))
    alpha[hole] = 2**8 - 1
    picture.putalpha(Image.fromarray(alpha))
    return picture


def hole_from_colour(picture: Picture, colour: tuple[int, int, int], tolerance: int) -> np.ndarray:
    """Find the pixels of a colour.

    Args:
        picture: PIL picture of any mode, or uint16 (H, W, 3 or 4); its alpha does not count.
        colour: red, green and blue in [0, 255].
        tolerance: how far each channel may be from it, in 8-bit levels.

    Returns:
        bool (H, W), True where the picture is of that colour.

    Raises:
        InputError: a mode without a conversion to RGB.

    """
    size_of(picture)  # refuses an array that is no picture
    scale = _DEEP_LEVELS if isinstance(picture, np.ndarray) else 1
    rgb = picture[..., :3] if isinstance(picture, np.ndarray) else to_rgb(picture)
    hole = np.ones(rgb.shape[:2], dtype=bool)
    for channel, level in enumerate(colour):
        distance = np.abs(rgb[..., channel].astype(np.int32) - level * scale)
        hole &= distance <= tolerance * scale
    return hole


def parse_colour(text: str) -> tuple[int, int, int]:
    """Read a colour, `00ff00` or `#00ff00`, as red, green and blue; `InputError` for any other."""
    if not re.fullmatch("#?[0-9a-fA-F]{6}", text):
        raise InputError(f"{text!r} is no colour; give six hexadecimal digits, such as 00ff00")
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _with_alpha(picture: Picture) -> Picture:
    """Turn transparency of any kind into straight alpha; deep grey, which has none, stays."""
    size_of(picture)  # refuses an array that is no picture
    if isinstance(picture, np.ndarray):
        if picture.shape[2] == 4:
            return picture
    elif picture.has_transparency_data:
        if is_deep(picture.mode) or picture.mode in ("LA", "RGBA"):
            return picture
        return picture.convert("LA" if picture.mode in ("1", "L", "La") else "RGBA")
    raise InputError(
        "the picture has no alpha to tell what is missing; give a mask, or a picture with "
        "transparent pixels"
    )
