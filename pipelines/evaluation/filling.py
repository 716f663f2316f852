"""Handing samples to a method: the one place where a ground truth meets what fills its holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from isnet.images import to_tensor
from isnet.reconstruction import Reconstruction
from pipelines.evaluation.fills import Fill
from pipelines.evaluation.samples import Sample

NOT_FINITE = "it holds values that are not finite"
"""What is wrong with a picture that no score may be taken of."""


def fill_samples(
    samples: Sequence[Sample], fill: Fill, device: torch.device
) -> tuple[Tensor, Reconstruction]:
    """Let a method fill samples; only what is known reaches it.

    Returns:
        ground truth float (B, 3, H, W) in [0, 1] on the device, and what the method made.

    """
    ground_truth, seen, valid = _stacked(samples, device)
    return ground_truth, fill(seen, valid)


def corrupted(samples: Sequence[Sample], device: torch.device) -> tuple[Tensor, Tensor]:
    """Stack what a method may see: float (B, 3, H, W) with holes of 0; valid bool (B, 1, H, W)."""
    return _stacked(samples, device)[1:]


def _stacked(samples: Sequence[Sample], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Stack ground truths, the same with holes of 0, and what is valid."""
    ground_truth = to_tensor(np.stack([sample.rgb for sample in samples])).to(device)
    valid = torch.stack([sample.valid for sample in samples]).to(device)
    return ground_truth, torch.where(valid, ground_truth, torch.zeros_like(ground_truth)), valid
