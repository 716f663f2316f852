"""What follows the gradients: Adam, and the averaged weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from isnet.config import OptimizerConfig


class Averaged(AveragedModel):
    """Exponential moving average of a network's weights, beside its other state as it is.

    PyTorch's would copy that state tensor by tensor, and make a GPU wait for the number of steps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network)
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the weights after a step into the average; those of the first step as they are."""
        steps = int(self.n_averaged)  # it lies on the CPU
        # A short memory at first, else the random start would stay in the average for long.
        weight = 1 - min(self.decay, (1 + steps) / (10 + steps))
        averages: list[Tensor] = list(self.module.parameters())
        current: list[Tensor] = list(model.parameters())
        if steps == 0:
            torch._foreach_copy_(averages, current)
        else:
            torch._foreach_lerp_(averages, current, weight)
        if buffers := list(self.module.buffers()):
            torch._foreach_copy_(buffers, list(model.buffers()))
        self.n_averaged += 1


def averaged(generator: nn.Module, decay: float) -> Averaged | None:
    """Keep an exponential moving average of the weights; None for a decay of 0."""
    return None if decay == 0 else Averaged(generator, decay)


def adam(network: nn.Module, config: OptimizerConfig, lr: float) -> torch.optim.Adam:
    """Adam over all of a network's parameters."""
    return torch.optim.Adam(
        network.parameters(), lr=lr, betas=(config.beta1, config.beta2), fused=config.fused
    )


def step_unless(adam: torch.optim.Adam, unfit: Tensor) -> None:
    """Step an optimizer and drop the gradients; change nothing if `unfit` is 1 instead of 0.

    Fused Adam looks at the number on the device, so that nobody waits for it.

    Args:
        adam: of any kind.
        unfit: float32 scalar on the parameters' device.

    """
    if adam.param_groups[0]["fused"]:  # what a loaded state says, not the option
        # As torch.amp.GradScaler tells it of infinite gradients.
        adam.found_inf = unfit  # type: ignore[attr-defined]
        try:
            adam.step()
        finally:
            del adam.found_inf  # type: ignore[attr-defined]
    elif not bool(unfit):
        adam.step()
    adam.zero_grad(set_to_none=True)
