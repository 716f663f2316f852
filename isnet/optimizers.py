"""What follows the gradients: Adam, and the averaged weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from isnet.config import OptimizerConfig

_Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(generator: nn.Module, decay: float) -> AveragedModel | None:
    """Keep an exponential moving average of the weights; None for a decay of 0."""
    if decay == 0:
        return None

    @torch.no_grad()
    def average(averages: _Tensors, current: _Tensors, count: Tensor | int) -> None:
        # A short memory at first, else the random start would stay in the average for long.
        steps = float(count)
        weight = 1 - min(decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(averages), list(current), weight)

    return AveragedModel(generator, multi_avg_fn=average)


def adam(network: nn.Module, config: OptimizerConfig, lr: float) -> torch.optim.Adam:
    """Adam over all of a network's parameters."""
    return torch.optim.Adam(
        network.parameters(), lr=lr, betas=(config.beta1, config.beta2), fused=config.fused
    )
