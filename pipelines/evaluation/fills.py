"""The methods under test: each fills the holes of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from isnet.config import ReconstructionConfig
from isnet.reconstruction import Reconstruction, reconstruct

Fill = Callable[[Tensor, Tensor], Reconstruction]
"""A method: (corrupted image (B, 3, H, W), valid (B, 1, H, W)) -> filled images."""


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
    """Fill with the mean colour of the known pixels: what any model has to beat."""
    known = valid.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (image * valid).sum(dim=(2, 3), keepdim=True) / known
    filled = torch.where(valid, image, mean.expand_as(image))
    passes = torch.zeros(len(image), dtype=torch.int64)
    return Reconstruction(image=filled, passes=passes, prediction=filled)
