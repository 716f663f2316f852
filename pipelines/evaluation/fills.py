"""The methods under test: each fills the holes of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from isnet.config import ReconstructionConfig
from isnet.reconstruction import Reconstruction, reconstruct

Fill = Callable[[Tensor, Tensor], Reconstruction]
"""A method: (corrupted image (B, 3, H, W), valid (B, 1, H, W)) -> filled images."""

MID_GREY = 0.5
"""What classical methods fill an image with of which nothing is known."""


def one_shot(generator: nn.Module) -> Fill:
    """Fill by one prediction."""
    return lambda image, valid: reconstruct(generator, image, valid, max_passes=1)


def progressive(generator: nn.Module, config: ReconstructionConfig) -> Fill:
    """Fill by progressive reconstruction."""
    return lambda image, valid: reconstruct(
        generator,
        image,
        valid,
        kernel_size=config.kernel_size,
        threshold=config.threshold,
        max_passes=config.max_passes,
    )


def mean_fill(image: Tensor, valid: Tensor) -> Reconstruction:
    """Fill with the mean colour of the known pixels: what any model has to beat.

    Args:
        image: float (B, 3, H, W) in [0, 1]; pixels in the hole may hold anything, NaN too.
        valid: bool (B, 1, H, W), True = known. Where nothing is, the fill is `MID_GREY`.

    Returns:
        The filled images after no pass, known pixels bit-exact.

    """
    # In double precision, so that the mean does not hang on how a batch is summed.
    known = torch.where(valid, image, torch.zeros_like(image)).double()
    count = valid.sum(dim=(2, 3), keepdim=True)
    mean = known.sum(dim=(2, 3), keepdim=True) / count.clamp(min=1)
    mean = torch.where(count > 0, mean, torch.full_like(mean, MID_GREY))
    return into_holes(image, valid, mean.to(image.dtype).expand_as(image))


def into_holes(image: Tensor, valid: Tensor, filling: Tensor) -> Reconstruction:
    """Keep what is known of (B, 3, H, W) and take the rest from a filling of its shape and type."""
    filled = torch.where(valid, image, filling)
    passes = torch.zeros(len(image), dtype=torch.int64, device=image.device)
    return Reconstruction(image=filled, passes=passes, prediction=filled)
