"""What the losses are given."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    """Prediction, which wants gradients, and ground truth."""
    generator = torch.Generator().manual_seed(5)
    prediction, truth = torch.rand(2, 2, 3, 16, 16, generator=generator)
    return prediction.clone().requires_grad_(), truth
