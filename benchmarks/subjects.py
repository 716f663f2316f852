"""What benchmarks fill, and with which network: photographs of `samples/`, seeded holes."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from torch import nn

from benchmarks.options import ROOT, NetworkOptions
from isnet.checkpoint import load_generator
from isnet.config import GeneratorConfig, InputError
from isnet.images import open_image, square_crop
from isnet.initialisation import new_generator
from isnet.mask_generator import random_hole
from isnet.masks import resize_hole

Shape = Literal["irregular", "box"]

SHAPES: tuple[str, ...] = get_args(Shape)
_DRAWN = 512
"""Side, in pixels, at which irregular holes are drawn at most; larger ones are enlarged."""


def network(options: NetworkOptions) -> nn.Module:
    """Return the generator that the options name, in eval mode on the CPU."""
    if options.checkpoint:
        return load_generator(options.checkpoint)
    config = GeneratorConfig(blocks=options.blocks, channels=options.channels)
    return new_generator(config, seed=0, initialisation="orthogonal", init_std=0.001).eval()


def photographs(count: int, size: int) -> np.ndarray:
    """Cut squares out of the project's photographs, at seeded places.

    Returns:
        uint8 (count, size, size, 3). Squares are as high as the photographs, so sizes above 576
        are enlarged.

    """
    files = sorted((ROOT / "samples").glob("*.jpg"))
    rng = np.random.default_rng(0)
    found = np.empty((count, size, size, 3), dtype=np.uint8)
    for index in range(count):
        picture = open_image(files[index % len(files)])
        left = int(rng.integers(0, picture.width - picture.height + 1))
        box = (left, 0, left + picture.height, picture.height)
        found[index] = square_crop(picture, box=box, size=size)
    return found


def holes(count: int, size: int, *, ratio: float, shape: Shape = "irregular") -> np.ndarray:
    """Draw seeded holes of one ratio; bool (count, size, size), True = missing."""
    rng = np.random.default_rng(0)
    draw = _box if shape == "box" else _irregular
    return np.stack([draw(rng, size, ratio) for _ in range(count)])


def check_hole(ratio: float, shape: str) -> None:
    """Refuse a hole that cannot be drawn."""
    if not 0 < ratio < 1:
        raise InputError(f"the hole ratio is {ratio}; it must be above 0 and below 1")
    if shape not in SHAPES:
        raise InputError(f"the hole's shape is {shape!r}; choose {' or '.join(SHAPES)}")


def _irregular(rng: np.random.Generator, size: int, ratio: float) -> np.ndarray:
    drawn = min(size, _DRAWN)
    pixels = drawn * drawn
    wanted = min(max(round(ratio * pixels), 1), pixels - 1)
    exactly = ((wanted - 0.5) / pixels, (wanted + 0.5) / pixels)
    hole = random_hole(rng, height=drawn, width=drawn, ratio_range=exactly)
    return hole if drawn == size else resize_hole(hole, width=size, height=size)


def _box(rng: np.random.Generator, size: int, ratio: float) -> np.ndarray:
    """Draw a square hole that lies inside the picture."""
    side = min(max(round(size * ratio**0.5), 1), size)
    top, left = rng.integers(0, size - side + 1, 2)
    hole = np.zeros((size, size), dtype=bool)
    hole[top : top + side, left : left + side] = True
    return hole
