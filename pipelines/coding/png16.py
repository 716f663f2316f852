"""PNG with 16 bits per channel and colour or alpha, which Pillow reads with 8 bits."""

from __future__ import annotations

import cv2
import numpy as np

from pipelines.coding.containers import png_chunk

_GREY, _RGB = 0, 2
"""Colour types of PNG."""


def is_deep_colour(png: bytes) -> bool:
    """Whether a PNG has 16 bits per channel, and more than one channel or a transparent level.

    Grey alone is not meant: Pillow has I;16 for it.
    """
    header = png_chunk(png, b"IHDR")
    if header is None or header[8] != 16:
        return False
    return header[9] != _GREY or png_chunk(png, b"tRNS") is not None


def read_deep_colour(png: bytes) -> np.ndarray:
    """Decode a PNG for which `is_deep_colour` holds.

    Returns:
        uint16 (H, W, 3), RGB, or (H, W, 4) with alpha (RGBA) in [0, 65535], as stored: not
        turned, and with no gamma or profile applied. Grey is repeated; a transparent colour
        becomes alpha.

    Raises:
        ValueError: OpenCV cannot decode it.

    """
    found = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16:
        raise ValueError("the 16-bit PNG is incomplete or damaged")
    levels = found[..., None].repeat(3, axis=2) if found.ndim == 2 else found
    rgb, alpha = levels[..., 2::-1], levels[..., 3:]
    header, transparent = png_chunk(png, b"IHDR"), png_chunk(png, b"tRNS")
    if header and transparent and header[9] in (_GREY, _RGB):
        # Not every OpenCV makes alpha of it, and none does for grey.
        colour = np.frombuffer(transparent[:6], dtype=">u2")
        alpha = np.where((rgb == colour).all(axis=2, keepdims=True), 0, 65535).astype(np.uint16)
    return np.concatenate([rgb, alpha], axis=2)


def write_deep_colour(levels: np.ndarray) -> bytes:
    """Encode uint16 (H, W, 3), RGB, or (H, W, 4), RGBA, as PNG without loss."""
    order = [2, 1, 0, 3][: levels.shape[2]]
    _, data = cv2.imencode(".png", np.ascontiguousarray(levels[..., order]))
    return bytes(data)
