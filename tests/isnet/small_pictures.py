"""Small pictures of every mode that the inpainter takes, and holes in them."""

from __future__ import annotations

import numpy as np
from PIL import Image

DEEP = ["I;16", "I;16L", "I;16B", "I;16N", "I", "F"]
MODES = [
    "1",
    "L",
    "LA",
    "La",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "HSV",
    "LAB",
    *DEEP,
]
WIDTH, HEIGHT = 21, 18


def square_hole(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return a hole over the middle of the picture, off centre so that flips are noticed."""
    hole = np.zeros((height, width), dtype=bool)
    hole[height // 4 : height // 2 + 1, width // 3 : width // 2 + 1] = True
    return hole


def as_mask(hole: np.ndarray) -> Image.Image:
    """Return a white = hole mask."""
    return Image.fromarray(hole.astype(np.uint8) * 255)


def noise(mode: str, seed: int = 0, *, height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """Return a picture whose every byte is random, where the mode allows that."""
    rng = np.random.default_rng(seed)
    empty = Image.new(mode, (width, height))
    pixels = np.asarray(empty)
    if mode == "1":
        return Image.fromarray(rng.integers(0, 2, pixels.shape).astype(bool))
    top = 65536 if mode in DEEP else 256
    levels = rng.integers(0, top, pixels.shape).astype(pixels.dtype)
    if mode in ("La", "RGBa"):
        levels = np.minimum(levels, levels[..., -1:])
    return Image.frombytes(mode, empty.size, levels.tobytes())


def with_garbage(image: Image.Image, hole: np.ndarray, seed: int) -> Image.Image:
    """Replace the colours, but not the alpha, under the hole."""
    pixels = np.array(image)
    garbage = np.array(noise(image.mode, seed, height=image.height, width=image.width))
    if image.mode in ("La", "RGBa", "LA", "RGBA"):
        garbage[..., -1] = pixels[..., -1]
    if image.mode == "F":
        garbage[:] = np.random.default_rng(seed).choice([np.nan, np.inf, -1e30], garbage.shape)
    if image.mode == "I":
        garbage[:] = np.random.default_rng(seed).choice([-(2**31), 2**31 - 1], garbage.shape)
    pixels[hole] = garbage[hole]
    if image.mode == "1":
        return Image.fromarray(pixels)
    return Image.frombytes(image.mode, image.size, pixels.tobytes())
