"""Masks: polarity, binarising, hole ratio, buckets, dilation. The one place that converts.

Inside the code a mask is `hole` (True = missing) or `valid` (True = known, the paper's M).
A mask *file* is white = hole unless its polarity says otherwise.
"""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from isnet.config import InputError

Polarity = Literal["white-hole", "black-hole"]

BUCKETS: tuple[tuple[float, float], ...] = (
    (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6),
)  # fmt: skip
"""Hole-ratio ranges, each closed below and open above: of Tables 5 and 6, and NVIDIA's last."""

PUBLISHED_BUCKETS = 4
"""How many of `BUCKETS`, from the first, Tables 5 and 6 have."""

SUSPICIOUS_MEAN_RATIO = 0.6
"""A mask set whose mean hole ratio is above this was probably read with the wrong polarity."""


def hole_from_mask(mask: Image.Image, *, polarity: Polarity = "white-hole") -> np.ndarray:
    """Binarise a mask picture.

    Args:
        mask: any mode; grey levels of 128 and above are white, transparent pixels are black.
        polarity: which colour marks the hole.

    Returns:
        bool (H, W), True where pixels are missing.

    """
    if polarity not in ("white-hole", "black-hole"):
        raise InputError(f"mask polarity {polarity!r}; choose white-hole or black-hole")
    if {"A", "a"} & set(mask.getbands()) or "transparency" in mask.info:
        rgba = (mask.convert("LA") if mask.mode == "La" else mask).convert("RGBA")
        mask = Image.alpha_composite(Image.new("RGBA", mask.size, "black"), rgba)
    if mask.mode.startswith("I") or mask.mode == "F":
        levels = np.asarray(mask, dtype=np.float64)
        white = levels >= _midpoint(mask.mode, levels)
    else:
        white = np.asarray(mask.convert("L")) >= 128
    return white if polarity == "white-hole" else ~white


def _midpoint(mode: str, levels: np.ndarray) -> float:
    """Half of full scale: 16-bit for I;16, else what the values suggest (1, 255 or 65535)."""
    if mode.startswith("I;16"):
        return 32768.0
    peak = float(levels.max(initial=0.0))
    return 0.5 if peak <= 1 else 128.0 if peak <= 255 else 32768.0


def resize_hole(hole: np.ndarray, *, width: int, height: int) -> np.ndarray:
    """Resize a hole (H, W) bool to (height, width) with nearest neighbour; it stays binary."""
    picture = Image.fromarray(hole.astype(np.uint8) * 255)
    resized = picture.resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(resized) > 0


def hole_ratio(valid: Tensor) -> Tensor:
    """Share of missing pixels per image: valid (B, 1, H, W) bool -> (B,) float32 in [0, 1]."""
    holes = (~valid).flatten(1).sum(dim=1)
    return holes.to(torch.float32) / valid[0].numel()


def bucket_of(ratio: float) -> int | None:
    """Index into `BUCKETS` of a hole ratio in [0, 1], or None outside all of them."""
    for index, (low, high) in enumerate(BUCKETS):
        if low <= ratio < high:
            return index
    return None


def bucket_name(index: int) -> str:
    """Name a bucket as the paper's tables do, e.g. `10-20%`."""
    low, high = BUCKETS[index]
    return f"{round(low * 100)}-{round(high * 100)}%"


def dilate_valid(valid: Tensor, kernel_size: int) -> Tensor:
    """Grow the known region by a square kernel, stride 1 (Algorithm 1, line 10).

    Args:
        valid: bool (B, 1, H, W).
        kernel_size: odd side of the square.

    Returns:
        bool (B, 1, H, W); pixels beyond the border count as missing.

    """
    radius = kernel_size // 2
    grown = functional.max_pool2d(valid.float(), (kernel_size, 1), stride=1, padding=(radius, 0))
    grown = functional.max_pool2d(grown, (1, kernel_size), stride=1, padding=(0, radius))
    return grown > 0.5


def encode_hole(hole: np.ndarray) -> bytes:
    """Store a hole (H, W) bool as a 1-bit PNG, white = hole."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(hole, dtype=bool)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def decode_hole(data: bytes) -> np.ndarray:
    """Read back what `encode_hole` wrote: bool (H, W), True = missing."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        return np.array(picture.convert("1"), dtype=bool)
