"""A decoded picture and its mask as a task for the network: the same for requests and bulk jobs."""

from __future__ import annotations

import numpy as np
from PIL import Image

from isnet.canvas import Picture, size_of
from isnet.inpainter import InpaintingTask
from isnet.masks import Polarity
from isnet.strategies import Strategy
from isnet.tiles import first_pass
from pipelines.codec import CodecError


def open_task(
    picture: Picture,
    mask: Image.Image,
    *,
    polarity: Polarity,
    strategy: Strategy,
    scale: int,
) -> InpaintingTask:
    """Cut a picture into what the network has to fill.

    Args:
        picture: in display orientation.
        mask: in display orientation.
        polarity: which colour of the mask marks the hole.
        strategy: which regions the network sees.
        scale: for `resize`, the picture's shorter side as the network sees it.

    Raises:
        CodecError: `size_mismatch`.
        InputError: a mode that cannot be inpainted.

    """
    if mask.size != size_of(picture):
        width, height = size_of(picture)
        raise CodecError(
            "size_mismatch",
            f"the mask is {mask.width}x{mask.height}, the image {width}x{height} in display "
            "orientation; give a mask of the image's size",
        )
    return InpaintingTask(picture, mask, polarity=polarity, strategy=strategy, scale=scale)


def require_fitting(hole: np.ndarray, *, context: int | None, max_region_pixels: int) -> None:
    """Refuse a region that is too much for a pass.

    Args:
        hole: bool (h, w) of the region, True = missing.
        context: the network's.
        max_region_pixels: most pixels that a pass may compute of a region, all its tiles together.

    Raises:
        CodecError: `region_too_large`.
        InputError: a context that no tile has room for.

    """
    _, pixels = first_pass(hole, context=context)
    if pixels > max_region_pixels:
        height, width = hole.shape
        raise CodecError(
            "region_too_large",
            f"the network would have to compute {pixels:,} pixels in a pass over a region of "
            f"{width}x{height}; the limit is {max_region_pixels:,}: take the strategy crop where "
            "holes are small, else resize",
        )
