"""A decoded picture and its mask as a task for the network: the same for requests and bulk jobs."""

from __future__ import annotations

from PIL import Image

from isnet.canvas import Picture, size_of
from isnet.inpainter import InpaintingTask
from isnet.masks import Polarity
from isnet.strategies import Strategy
from pipelines.codec import CodecError


def open_task(
    picture: Picture,
    mask: Image.Image,
    *,
    polarity: Polarity,
    strategy: Strategy,
    scale: int,
    max_region_pixels: int,
) -> InpaintingTask:
    """Cut a picture into what the network has to fill.

    Args:
        picture: in display orientation.
        mask: in display orientation.
        polarity: which colour of the mask marks the hole.
        strategy: which regions the network sees.
        scale: for `resize`, the picture's shorter side as the network sees it.
        max_region_pixels: most pixels that the network may see at once.

    Raises:
        CodecError: `size_mismatch` or `region_too_large`.
        InputError: a mode that cannot be inpainted.

    """
    if mask.size != size_of(picture):
        width, height = size_of(picture)
        raise CodecError(
            "size_mismatch",
            f"the mask is {mask.width}x{mask.height}, the image {width}x{height} in display "
            "orientation; give a mask of the image's size",
        )
    task = InpaintingTask(picture, mask, polarity=polarity, strategy=strategy, scale=scale)
    for region in task.regions:
        if region.pixels > max_region_pixels:
            height, width = region.hole.shape
            raise CodecError(
                "region_too_large",
                f"the network would see {width}x{height} pixels at once; the limit is "
                f"{max_region_pixels:,}: take the strategy crop where holes are small, else resize",
            )
    return task
