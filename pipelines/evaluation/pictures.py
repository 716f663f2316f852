"""Pictures of held-out samples: what is true, what is seen, and what a method makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isnet.images import to_uint8
from pipelines.evaluation.filling import fill_samples
from pipelines.evaluation.fills import Fill
from pipelines.evaluation.samples import Sample


def ground_truth_and_corrupted(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth, and the same with white holes: each uint8 (K, H, W, 3)."""
    ground_truth = np.stack([sample.rgb for sample in samples])
    valid = torch.cat([sample.valid for sample in samples]).numpy()
    return ground_truth, with_white_holes(ground_truth, valid)


def with_white_holes(ground_truth: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Cut white holes into pictures uint8 (K, H, W, 3), where valid bool (K, H, W) is not."""
    # Black ones would look like dark parts of the picture.
    return np.where(valid[..., None], ground_truth, np.uint8(255))


def composites(samples: Sequence[Sample], fill: Fill, *, device: torch.device) -> np.ndarray:
    """What a method fills the samples with, uint8 (K, H, W, 3); only what is known reaches it."""
    return to_uint8(fill_samples(samples, fill, device)[1].image)
