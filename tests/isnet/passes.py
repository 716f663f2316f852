"""Images for tests of single passes, and passes from the first to the last."""

from __future__ import annotations

import numpy as np
from torch import nn

from isnet.progress import Progress, advance


def colours_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return random uint8 colours."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def run(generator: nn.Module, progress: Progress) -> Progress:
    """Take one image to its end."""
    while not progress.finished:
        advance(generator, [progress])
    return progress
