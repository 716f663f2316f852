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


def fill_samples(
    samples: Sequence[Sample], fill: Fill, device: torch.device
) -> tuple[Tensor, Reconstruction]:
    """Let a method fill samples; only what is known reaches it.

    Returns:
        ground truth float (B, 3, H, W) in [0, 1] on the device, and what the method made.

    """
    ground_truth = stacked(samples, device)
    return ground_truth, fill(*corrupted(samples, device))


def corrupted(samples: Sequence[Sample], device: torch.device) -> tuple[Tensor, Tensor]:
    """Stack what a method may see: float (B, 3, H, W) with holes of 0; valid bool (B, 1, H, W)."""
    ground_truth = stacked(samples, device)
    valid = torch.stack([sample.valid for sample in samples]).to(device)
    return torch.where(valid, ground_truth, torch.zeros_like(ground_truth)), valid


def stacked(samples: Sequence[Sample], device: torch.device) -> Tensor:
    """Stack ground truths: float (B, 3, H, W) in [0, 1]."""
    return to_tensor(np.stack([sample.rgb for sample in samples])).to(device)
