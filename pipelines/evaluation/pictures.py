"""Pictures of held-out samples: what is true, what is seen, and what a method makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isnet.images import to_uint8
from pipelines.evaluation.fills import Fill
from pipelines.evaluation.samples import Sample


def ground_truth_and_corrupted(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth, and the same with white holes: each uint8 (K, H, W, 3)."""
    ground_truth = np.stack([sample.rgb for sample in samples])
    valid = torch.stack([sample.valid for sample in samples]).numpy()
    return ground_truth, np.where(np.moveaxis(valid, 1, -1), ground_truth, np.uint8(255))


def composites(samples: Sequence[Sample], fill: Fill, *, device: torch.device) -> np.ndarray:
    """What a method fills the samples with, uint8 (K, H, W, 3); only what is known reaches it."""
    ground_truth = torch.stack([sample.ground_truth for sample in samples]).to(device)
    valid = torch.stack([sample.valid for sample in samples]).to(device)
    corrupted = torch.where(valid, ground_truth, torch.zeros_like(ground_truth))
    return to_uint8(fill(corrupted, valid).image)
