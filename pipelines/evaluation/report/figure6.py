"""The paper's Figure 6 again: how the known region grows from pass to pass."""

from __future__ import annotations

import numpy as np
import torch

from isnet.config import ReconstructionConfig
from isnet.reconstruction import progressive_passes
from pipelines.reporting.document import Picture
from pipelines.reporting.grid import comparison_grid

_SETTING = ReconstructionConfig(kernel_size=9)
"""The paper's for this figure; it reconstructs with a kernel of 15."""
_EXAMPLES = 4


def mask_growth_figure(valid: np.ndarray) -> Picture:
    """Draw the masks that Algorithm 1 goes through, those with the largest holes.

    Args:
        valid: bool (K, H, W), True = known; K at least 1.

    """
    known = valid.reshape(len(valid), -1).mean(axis=1)
    largest = np.argsort(known, kind="stable")[:_EXAMPLES][::-1]
    grown = [growing_masks(valid[index]) for index in largest]
    columns = max(map(len, grown))
    headers = ["M, as given", "after 1 dilation"]
    headers += [f"after {dilations} dilations" for dilations in range(2, columns)]
    return Picture(
        file="figure6.png",
        image=comparison_grid(
            [[*map(_drawn, masks), *[None] * (columns - len(masks))] for masks in grown],
            headers[:columns],
            captions=[[f"hole {(~mask).mean():.1%}" for mask in masks] for masks in grown],
        ),
        title="Figure 6: how the known region grows",
        caption=f"The masks of the progressive reconstruction, as in the paper's Figure 6: white "
        f"is valid, black is corrupted, and each pass dilates what is valid by a square of "
        f"{_SETTING.kernel_size} pixels. A row ends with the mask of the last pass: the first "
        f"whose hole is under {_SETTING.threshold:.0%} of the image, or that of pass "
        f"{_SETTING.max_passes}.",
    )


def growing_masks(valid: np.ndarray) -> list[np.ndarray]:
    """Run Algorithm 1 on a mask alone, with the figure's kernel.

    Args:
        valid: bool (H, W), True = known.

    Returns:
        The mask of each pass, bool (H, W); the first is `valid`.

    """
    # The very loop that reconstructs, with a network that does nothing.
    nothing = torch.zeros(1, 3, *valid.shape)
    known = torch.from_numpy(valid)[None, None]
    passes = progressive_passes(lambda image: image, nothing, known, _SETTING)
    return [step.valid[0, 0].numpy() for step in passes]


def _drawn(valid: np.ndarray) -> np.ndarray:
    """White where it is valid, black where it is not: uint8 (H, W, 3)."""
    return np.repeat(np.where(valid, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
