"""A picture being edited: colours come out of it for the network, a fill goes back in its own mode.

Nothing but the pixels of the hole is ever written, so known pixels stay exact at any depth.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from isnet.config import InputError
from isnet.images import Box, full_scale, is_deep, to_rgb, to_uint8

Picture = Image.Image | np.ndarray
"""A PIL picture of any mode, or uint16 (H, W, 3 or 4): RGB or RGBA of 16 bits a channel, which PIL
has no mode for."""

_STRAIGHT_ALPHA = {"LA": "LA", "La": "LA", "RGBA": "RGBA", "RGBa": "RGBA"}
_PLAIN = ("1", "L", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")


class PILCanvas:
    """A PIL picture, in a mode in which a new colour can be pasted without loss."""

    def __init__(self, picture: Image.Image, hole: np.ndarray) -> None:
        """Copy the picture; deep grey is scaled by its known pixels alone.

        Args:
            picture: any mode, in display orientation.
            hole: bool (H, W), True = missing.

        Raises:
            InputError: a mode that cannot be handled, or levels of modes I and F outside 0..65535.

        """
        self.picture = _editable(picture)
        self._white = 255.0
        if is_deep(self.picture.mode):
            # What lies in the hole must not even choose the scale.
            self._white = full_scale(self.picture.mode, np.asarray(self.picture)[~hole])

    def colours(self) -> np.ndarray:
        """Return uint8 (H, W, 3), or float32 (H, W, 3) of deep grey, known pixels in [0, 1]."""
        if not is_deep(self.picture.mode):
            return to_rgb(self.picture)
        grey = np.asarray(self.picture).astype(np.float32) / self._white
        return np.broadcast_to(grey[..., None], (*grey.shape, 3))

    def paste(self, fill: np.ndarray, hole: np.ndarray, box: Box) -> None:
        """Write float32 (h, w, 3) in [0, 1] where hole (h, w) says, inside a box of that size."""
        mask = Image.fromarray(hole)
        self.picture.paste(self._in_mode(fill, self.picture.crop(box)), box[:2], mask)

    def _in_mode(self, fill: np.ndarray, under: Image.Image) -> Image.Image:
        """Turn a fill into the picture's mode, with the alpha of what lies under it."""
        if is_deep(under.mode):
            return self._deep_grey(fill, under)
        rgb = Image.fromarray(to_uint8(torch.from_numpy(fill).movedim(-1, 0)))
        straight = _STRAIGHT_ALPHA.get(under.mode)
        if straight is None:
            return rgb.convert(under.mode, dither=Image.Dither.NONE)
        layered = rgb.convert(straight)
        layered.putalpha(under.getchannel(under.getbands()[-1]))
        return layered.convert(under.mode)

    def _deep_grey(self, fill: np.ndarray, under: Image.Image) -> Image.Image:
        """Turn a fill into grey (ITU-R 601, as Pillow) of mode I, I;16 or F."""
        red, green, blue = np.moveaxis(fill.astype(np.float64).clip(0, 1), -1, 0)
        levels = (0.299 * red + 0.587 * green + 0.114 * blue) * self._white
        if under.mode != "F":
            levels = np.rint(levels)
        pixels = levels.astype(np.asarray(under).dtype)
        return Image.frombytes(under.mode, under.size, pixels.tobytes())


class DeepCanvas:
    """Colour of 16 bits a channel."""

    def __init__(self, picture: np.ndarray) -> None:
        """Copy uint16 (H, W, 3 or 4); `InputError` for any other array."""
        _require_deep_colour(picture)
        self.picture = picture.copy()

    def colours(self) -> np.ndarray:
        """Show uint16 (H, W, 3): the picture's own samples, not a copy."""
        return self.picture[..., :3]

    def paste(self, fill: np.ndarray, hole: np.ndarray, box: Box) -> None:
        """Write float32 (h, w, 3) in [0, 1] where hole (h, w) says, inside a box of that size."""
        left, top, right, bottom = box
        levels = np.rint(fill[hole].astype(np.float64).clip(0, 1) * 65535)
        self.picture[top:bottom, left:right, :3][hole] = levels.astype(np.uint16)


def open_canvas(picture: Picture, hole: np.ndarray) -> PILCanvas | DeepCanvas:
    """Copy a picture for editing; `hole` is bool (H, W), of its size."""
    if isinstance(picture, np.ndarray):
        return DeepCanvas(picture)
    return PILCanvas(picture, hole)


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height of a picture, in pixels; `InputError` for an array that is none."""
    if isinstance(picture, np.ndarray):
        _require_deep_colour(picture)
        return picture.shape[1], picture.shape[0]
    return picture.size


def _require_deep_colour(picture: np.ndarray) -> None:
    if picture.dtype != np.uint16 or picture.ndim != 3 or picture.shape[2] not in (3, 4):
        raise InputError(
            f"an array of {picture.dtype} {picture.shape} is no picture; give uint16 "
            "(H, W, 3) or (H, W, 4), or a PIL picture"
        )


def _editable(image: Image.Image) -> Image.Image:
    """Copy a picture into a mode in which a new colour can be pasted without loss.

    A palette has no entry for a new colour, and a new colour may be the one that means transparent.
    """
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if "transparency" in image.info and image.mode in ("1", "L", "RGB"):
        return image.convert("RGBA" if image.mode == "RGB" else "LA")
    if not (image.mode in _PLAIN or image.mode in _STRAIGHT_ALPHA or is_deep(image.mode)):
        raise InputError(f"image mode {image.mode} cannot be inpainted; convert the picture to RGB")
    return image.copy()
