"""Photographs made of noise, masks, and their files."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 75, 50


def noise(width: int = WIDTH, height: int = HEIGHT, *, mode: str = "RGB") -> Image.Image:
    """Return a picture whose every byte is random."""
    rng = np.random.default_rng(width * height)
    empty = Image.new(mode, (width, height))
    return Image.frombytes(mode, empty.size, rng.bytes(len(empty.tobytes())))


def encoded(picture: Image.Image | np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    """Write a picture's file; an array is written as PNG of its depth."""
    if isinstance(picture, np.ndarray):
        order = [2, 1, 0, 3][: picture.shape[2]]
        return bytes(cv2.imencode(".png", np.ascontiguousarray(picture[..., order]))[1])
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    """Read a picture's file."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def hole(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return a hole (H, W), off the middle so that turns are noticed, as True = missing."""
    missing = np.zeros((height, width), dtype=bool)
    missing[height // 5 : height // 2 + 1, width // 5 : width // 3 + 1] = True
    return missing


def mask_of(missing: np.ndarray) -> bytes:
    """Write a mask, white = hole."""
    return encoded(Image.fromarray(missing))


def form(image: bytes, mask: bytes, **options: Any) -> dict[str, Any]:
    """Build what httpx sends as multipart/form-data."""
    return {"files": {"image": ("a", image), "mask": ("b", mask)}, "data": options}


def small(**options: Any) -> dict[str, Any]:
    """Build a request that is quickly answered."""
    return form(encoded(noise()), mask_of(hole()), **{"passes": 1, **options})
