"""EXIF orientation: from stored rows and columns to what a viewer shows, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from PIL import ExifTags, Image
from PIL.Image import Transpose

Pixels = TypeVar("Pixels", bound=Image.Image | np.ndarray)
"""A picture of any mode, or an array (H, W, C)."""

_TURNS: dict[int, tuple[Transpose, Transpose]] = {
    2: (Transpose.FLIP_LEFT_RIGHT, Transpose.FLIP_LEFT_RIGHT),
    3: (Transpose.ROTATE_180, Transpose.ROTATE_180),
    4: (Transpose.FLIP_TOP_BOTTOM, Transpose.FLIP_TOP_BOTTOM),
    5: (Transpose.TRANSPOSE, Transpose.TRANSPOSE),
    6: (Transpose.ROTATE_270, Transpose.ROTATE_90),
    7: (Transpose.TRANSVERSE, Transpose.TRANSVERSE),
    8: (Transpose.ROTATE_90, Transpose.ROTATE_270),
}
"""Of each orientation but 1, how it is shown, and how that is undone."""

_OF_ARRAYS: dict[Transpose, Callable[[np.ndarray], np.ndarray]] = {
    Transpose.FLIP_LEFT_RIGHT: lambda a: a[:, ::-1],
    Transpose.ROTATE_180: lambda a: a[::-1, ::-1],
    Transpose.FLIP_TOP_BOTTOM: lambda a: a[::-1],
    Transpose.TRANSPOSE: lambda a: a.swapaxes(0, 1),
    Transpose.ROTATE_270: lambda a: np.rot90(a, -1),
    Transpose.TRANSVERSE: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    Transpose.ROTATE_90: np.rot90,
}


def orientation_of(picture: Image.Image) -> int:
    """Read the orientation, 1 to 8, of a picture as it was opened; 1 where it cannot be read.

    It is looked for where Pillow looks, in EXIF and then in XMP, so that nobody who reads the
    picture with Pillow sees it turned another way.
    """
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
        return int(value) if value in _TURNS else 1
    except Exception:  # noqa: BLE001 (damaged EXIF raises nearly anything; the pixels are good)
        return 1


def turned(stored: Pixels, orientation: int) -> Pixels:
    """Turn stored pixels as they are shown."""
    return _transposed(stored, _TURNS[orientation][0]) if orientation in _TURNS else stored


def turned_back(shown: Pixels, orientation: int) -> Pixels:
    """Undo `turned`."""
    return _transposed(shown, _TURNS[orientation][1]) if orientation in _TURNS else shown


def _transposed(pixels: Pixels, method: Transpose) -> Pixels:
    if isinstance(pixels, Image.Image):
        return cast(Pixels, pixels.transpose(method))
    return cast(Pixels, np.ascontiguousarray(_OF_ARRAYS[method](pixels)))
