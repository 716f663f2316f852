"""Two ways to fill a batch: full passes by `reconstruct`, and passes over windows by `Progress`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from isnet.config import ReconstructionConfig
from isnet.progress import Progress, advance
from isnet.reconstruction import Generator, reconstruct

Fill = Callable[[np.ndarray, np.ndarray], tuple[Tensor, list[int]]]
"""uint8 (B, H, W, 3), bool (B, H, W) True = missing -> float (B, 3, H, W), passes of each."""


def full_passes(generator: Generator, config: ReconstructionConfig, device: torch.device) -> Fill:
    """Compute the whole of every image in every pass, as Algorithm 1 is written."""

    def fill(colours: np.ndarray, holes: np.ndarray) -> tuple[Tensor, list[int]]:
        image = torch.from_numpy(colours).to(device).permute(0, 3, 1, 2).float() / 255
        valid = torch.from_numpy(~holes)[:, None].to(device)
        done = reconstruct(
            generator,
            image.contiguous(),
            valid,
            kernel_size=config.kernel_size,
            threshold=config.threshold,
            max_passes=config.max_passes,
        )
        return done.image, done.passes.tolist()

    return fill


def windowed_passes(
    generator: Generator, config: ReconstructionConfig, device: torch.device, context: int
) -> Fill:
    """Compute only what is missing and `context` pixels round it."""

    def fill(colours: np.ndarray, holes: np.ndarray) -> tuple[Tensor, list[int]]:
        images = [
            Progress(image, hole, config, device=device, context=context)
            for image, hole in zip(colours, holes, strict=True)
        ]
        finish(generator, images)
        composites = colours.astype(np.float32) / 255
        for composite, hole, progress in zip(composites, holes, images, strict=True):
            composite[hole] = progress.fill()
        filled = torch.from_numpy(np.ascontiguousarray(np.moveaxis(composites, -1, 1)))
        return filled, [progress.passes for progress in images]

    return fill


def finish(
    generator: Generator, images: Sequence[Progress], *, max_pixels: int | None = None
) -> None:
    """Make all passes of a batch, those of one size together, as bulk jobs do.

    Args:
        generator: makes the predictions.
        images: before their first pass.
        max_pixels: pixels that a pass over several images computes at most, if it is limited.

    """
    waiting = list(images)
    while waiting:
        height, width = waiting[0].padded_size
        together = [image for image in waiting if image.padded_size == (height, width)]
        room = max(1, max_pixels // (height * width)) if max_pixels else len(together)
        advance(generator, together[:room])
        waiting = [image for image in waiting if not image.finished]
