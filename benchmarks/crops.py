"""What the training benchmark learns from: crops of photographs, with irregular holes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isnet.config import InputError
from isnet.images import open_image, to_rgb, to_tensor
from isnet.mask_generator import random_hole

MASKS = 64
"""Holes that are drawn first; each is used many times, flipped."""


class Crops:
    """Batches of random crops: the same seed gives the same ones, step for step."""

    def __init__(self, folder: Path, *, size: int, batch: int, seed: int = 0) -> None:
        """Read every photograph once, and draw the holes.

        Args:
            folder: with JPEG files.
            size: side of the crops.
            batch: crops of a step.
            seed: of crops, flips and holes.

        """
        paths = sorted(folder.glob("*.jpg"))
        if not paths:
            raise InputError(f"{folder} has no *.jpg to learn from; give another folder")
        # Half as large again as a crop: enough to move about in, and not just sky.
        self._pictures = [_fitted(path, side=size * 3 // 2) for path in paths]
        self._rng = np.random.default_rng(seed)
        self._holes = [random_hole(self._rng, height=size, width=size) for _ in range(MASKS)]
        self._size, self._batch = size, batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ground truth (B, 3, H, W) in [0, 1] and valid (B, 1, H, W) bool, for ever."""
        while True:
            samples = [self._sample() for _ in range(self._batch)]
            colours = to_tensor(np.stack([colours for colours, _ in samples]))
            valid = torch.from_numpy(~np.stack([hole for _, hole in samples]))[:, None]
            yield colours, valid

    def _sample(self) -> tuple[np.ndarray, np.ndarray]:
        rng, size = self._rng, self._size
        picture = self._pictures[rng.integers(len(self._pictures))]
        top, left = (int(rng.integers(side - size + 1)) for side in picture.shape[:2])
        crop = picture[top : top + size, left : left + size]
        hole = self._holes[rng.integers(MASKS)]
        return (
            crop[:, ::-1] if rng.random() < 0.5 else crop,
            hole[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))],
        )


def _fitted(path: Path, *, side: int) -> np.ndarray:
    """Read a photograph, its shorter side brought to `side` pixels: uint8 (H, W, 3)."""
    picture = Image.fromarray(to_rgb(open_image(path)))
    scale = side / min(picture.size)
    width, height = (max(side, round(length * scale)) for length in picture.size)
    return np.array(picture.resize((width, height), Image.Resampling.LANCZOS))
