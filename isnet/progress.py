"""Progressive reconstruction of single images, pass by pass, in batches that change as they go.

`reconstruct` takes a batch from beginning to end. Here every image carries its own state, so that
a server can let one leave and another join between two passes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isnet.config import ReconstructionConfig, padded
from isnet.masks import dilate_valid, hole_ratio
from isnet.reconstruction import Generator, network_input


class Progress:
    """One image on its way through Algorithm 1."""

    def __init__(
        self,
        colours: np.ndarray,
        hole: np.ndarray,
        config: ReconstructionConfig,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """Start before the first pass.

        Args:
            colours: (H, W, 3), uint8 or float32 in [0, 1]; the hole may hold anything.
            hole: bool (H, W), True = missing.
            config: kernel, threshold and passes of this image.
            device: where to compute.

        """
        image = torch.from_numpy(np.moveaxis(colours, -1, 0).copy()).to(device)
        self.image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        self.valid = torch.from_numpy(~hole)[None].to(device)
        self.config = config
        self.passes = 0
        """Passes made so far."""
        self.finished = False
        """Whether the last pass was the last one."""
        self._hole = ~self.valid[0]

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width that the network sees; images of one such size share passes."""
        height, width = self.image.shape[1:]
        return padded(height), padded(width)

    @property
    def hole_ratio(self) -> float:
        """Share of pixels that the next pass takes for missing."""
        return float(hole_ratio(self.valid[None]))

    def fill(self) -> np.ndarray:
        """Return float32 (N, 3): the N pixels of the hole as they stand, in row-major order."""
        return self.image[:, self._hole].T.cpu().numpy()


@torch.inference_mode()
def advance(generator: Generator, images: Sequence[Progress]) -> None:
    """Make one pass over several unfinished images of one padded size."""
    seen = [network_input(progress.image[None], progress.valid[None]) for progress in images]
    for progress, prediction in zip(images, generator(torch.cat(seen)), strict=True):
        _take(progress, prediction)


def _take(progress: Progress, prediction: torch.Tensor) -> None:
    """Let one image keep what a pass made of it, and go on or stop."""
    height, width = progress.image.shape[1:]
    inside = prediction[:, :height, :width].to(progress.image.dtype)
    ratio, config = progress.hole_ratio, progress.config
    progress.image = torch.where(progress.valid, progress.image, inside)
    progress.passes += 1
    progress.finished = ratio < config.threshold or progress.passes >= config.max_passes
    if not progress.finished:
        progress.valid = dilate_valid(progress.valid[None], config.kernel_size)[0]
